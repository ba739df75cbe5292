// A file that appears under its name only when it is complete.
#pragma once

#include <cstddef>
#include <string>

namespace unroll {

// Written under another name beside its own; commit() flushes it to disk and gives it its name in one step,
// so that a crash at any moment leaves the old file or the new one. Without commit() nothing is left.
class AtomicFile {
 public:
  // function is what error messages name, "save_tensors". Throws FileError when no file can be created there.
  AtomicFile(std::string path, std::string function);
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  // Both throw FileError naming the file.
  void write(const void* data, std::size_t bytes);
  void commit();

 private:
  [[noreturn]] void fail(const char* what);

  std::string path_, function_;
  std::string temporary_;  // empty once the file has its name
  int descriptor_ = -1;
};

}  // namespace unroll
