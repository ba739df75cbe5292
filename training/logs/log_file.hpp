// What the logs on disk are written with: a file that grows by whole records, and a check of their names.
#pragma once

#include <cstddef>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "training/logs/log.hpp"

namespace unroll::detail {

class LogFile {
 public:
  // Opens or creates the file, keeping its contents, and removes temporary files of killed writers. Messages
  // name `function`, "CsvLog". Throws FileError when the file cannot be written, as do all functions.
  LogFile(std::string path, std::string function);
  ~LogFile();
  LogFile(const LogFile&) = delete;
  LogFile& operator=(const LogFile&) = delete;

  const std::string& path() const noexcept { return path_; }
  // The contents.
  std::string read() const;
  // Adds the whole record or, if it throws, nothing. The record then survives a kill of the program.
  void append(std::string_view record);
  // Replaces the contents atomically. A pipe or device cannot: with `anew` the contents are appended, else it
  // throws FileError.
  void replace(std::string_view contents, bool anew = false);
  // Returns when everything is on disk.
  void sync();
  // Throws FileError for that line (from 1; 0: none), or for errno.
  [[noreturn]] void fail(std::size_t line, const std::string& what) const;
  [[noreturn]] void fail(const char* what) const;

 private:
  void open();
  void close() noexcept;

  std::string path_, function_;
  int descriptor_ = -1;
  bool regular_ = true;
};

// Throws ArgumentError, naming the function, for a name that is empty, reserved or repeated.
void check_scalar_names(const char* function, std::span<const NamedScalar> values,
                        std::initializer_list<std::string_view> reserved);

// The lines without their ends. An unfinished last line, cut by a crash, is left out.
std::vector<std::string_view> whole_lines(std::string_view text);

}  // namespace unroll::detail
