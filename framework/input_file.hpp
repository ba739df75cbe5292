// InputFile: a file that is read by position.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace unroll {

class InputFile {
 public:
  // function is the name in error messages, for example "load_tensors". Throws FileError unless path is a
  // readable regular file.
  InputFile(std::string path, std::string function);
  ~InputFile();
  InputFile(const InputFile&) = delete;
  InputFile& operator=(const InputFile&) = delete;

  // Returns the size in bytes when the file was opened.
  std::uint64_t size() const noexcept { return size_; }
  // Returns the file's kind by its first bytes (file_kind.hpp), "" for an unknown kind.
  std::string kind() const;
  // Reads `bytes` bytes from position `at`. Throws FileError if there are fewer.
  void read(std::uint64_t at, void* to, std::size_t bytes) const;
  // Throws FileError: "[function] path: what".
  [[noreturn]] void fail(const std::string& what) const;

 private:
  std::string path_, function_;
  std::uint64_t size_ = 0;
  int descriptor_ = -1;
};

}  // namespace unroll
