// A file that grows by whole records. What the logs on disk are written with.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

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

// The lines of text without their ends. What follows the last end was torn by a crash and is left out.
std::vector<std::string_view> whole_lines(std::string_view text);

}  // namespace unroll::detail
