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
  // Opens the file or creates it, leaves what it holds and removes what killed writers left beside it.
  // function is what error messages name, "CsvLog". Throws FileError when it cannot be written.
  LogFile(std::string path, std::string function);
  ~LogFile();
  LogFile(const LogFile&) = delete;
  LogFile& operator=(const LogFile&) = delete;

  const std::string& path() const noexcept { return path_; }
  // Everything it holds. All from here on throw FileError.
  std::string read() const;
  // Adds all of the record or, when it throws, none of it. A program that is killed afterwards has it in the
  // file.
  void append(std::string_view record);
  // Other contents, in one step: a crash leaves the old or the new. Of a pipe or device nothing is replaced:
  // with `anew`, the contents are appended, else FileError is thrown.
  void replace(std::string_view contents, bool anew = false);
  // What was appended is on disk when it returns.
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

// Throws ArgumentError for a name that is empty, reserved, or there twice. function is what the message
// names.
void check_scalar_names(const char* function, std::span<const NamedScalar> values,
                        std::initializer_list<std::string_view> reserved);

// The lines of text without their ends. What follows the last end was torn by a crash and is left out.
std::vector<std::string_view> whole_lines(std::string_view text);

}  // namespace unroll::detail
