// A file whose bytes are read by position.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace unroll {

class InputFile {
 public:
  // function is what error messages name, "load_tensors". Throws FileError unless path is a regular file that
  // can be read.
  InputFile(std::string path, std::string function);
  ~InputFile();
  InputFile(const InputFile&) = delete;
  InputFile& operator=(const InputFile&) = delete;

  // Bytes of the file when it was opened.
  std::uint64_t size() const noexcept { return size_; }
  // What the file is by its first bytes (file_kind.hpp), "" for none of the known kinds.
  std::string kind() const;
  // The bytes from at on; throws FileError when there are fewer.
  void read(std::uint64_t at, void* to, std::size_t bytes) const;
  // Throws FileError: "[function] path: what".
  [[noreturn]] void fail(const std::string& what) const;

 private:
  std::string path_, function_;
  std::uint64_t size_ = 0;
  int descriptor_ = -1;
};

}  // namespace unroll
