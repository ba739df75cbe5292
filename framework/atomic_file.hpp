// A file that appears under its name only when it is complete.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <string>

namespace unroll {

// Writes to a temporary file in the same folder; commit() flushes it to disk and renames it, so a crash at
// any moment leaves the old file or the new one. Without commit() nothing is left.
//
// Otherwise it behaves like open(). A symbolic link is followed, and its target is replaced or made. Mode,
// group and, where the system permits, owner of an old file are kept; a new file obeys the umask. An old file
// without write permission is refused, and so is a folder. Devices, pipes and sockets are written to
// directly, from the first write() on. Hard links are not kept: the other names keep the old file.
class AtomicFile {
 public:
  // function is the name in error messages, for example "save_tensors". Throws FileError if no file can be
  // written there.
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
  std::string target_;     // path_ with symbolic links resolved
  std::string temporary_;  // empty after the rename, and for files that are written directly
  bool direct_ = false;
  int descriptor_ = -1;
};

namespace detail {

// Returns how the names of the temporary files for a file of this name begin, without the folder;
// ".PID.N.tmp" follows. The writer holds an exclusive flock() on its temporary file.
std::string temporary_stem(const std::string& name);

// Returns the target of path: symbolic links at its end are followed, also to a file that does not exist yet.
// Empty, with errno set, for circular links.
std::string followed(std::string path);

}  // namespace detail
}  // namespace unroll
