// A file that appears under its name only when it is complete.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <string>

namespace unroll {

// Written under another name beside its own; commit() flushes it to disk and gives it its name in one step,
// so that a crash at any moment leaves the old file or the new one. Without commit() nothing is left.
//
// Otherwise it is what open() would give: behind a symbolic link it is the link's target that is replaced or
// made; mode, group and, where the system lets us, owner of an old file stay, a new one obeys the umask; an
// old file that may not be written is refused, and so is a folder. A device, a pipe or a socket is no file to
// replace: it is written to directly, from the first write() on, and what was written stays. Hard links are
// not kept: the other names have the old file.
class AtomicFile {
 public:
  // function is what error messages name, "save_tensors". Throws FileError when no file can be written there.
  AtomicFile(std::string path, std::string function);
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  // Both throw FileError naming the file.
  void write(const void* data, std::size_t bytes);
  void commit();

 private:
  void open_temporary(bool replaces, mode_t mode, uid_t owner, gid_t group);
  void open_directly();
  void discard() noexcept;
  [[noreturn]] void fail(const char* what);  // with errno's reason

  std::string path_, function_;
  std::string target_;     // path_ with symbolic links followed
  std::string temporary_;  // empty once the file has its name, and for what is written to directly
  bool direct_ = false;
  int descriptor_ = -1;
};

namespace detail {

// How the names of the temporary files for a file of this name, without its folder, begin; behind it stand
// ".PID.N.tmp". While one is being written, its writer holds an exclusive flock() on it.
std::string temporary_stem(const std::string& name);

// Where path leads: symbolic links at its end are followed, to a file that is not there yet, too. Empty, with
// errno set, where they lead round in a circle.
std::string followed(std::string path);

}  // namespace detail
}  // namespace unroll
