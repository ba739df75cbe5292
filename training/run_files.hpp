// The files of a training run: checks before it begins, locks, and what killed writers left.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace unroll {

// Removes the temporary files that killed writers of `path` left next to it, or next to the file that it
// links to, and returns how many. Files that another process is writing stay: their writers hold locks on
// them. On a file system without locks all stay.
int remove_unfinished(const std::string& path);

namespace detail {

// The target of symbolic links; `path` itself if there is none.
std::string linked_file(const std::string& path);

// The same for all files of a folder for which `which` is true; it gets the name as AtomicFile shortens it.
int remove_unfinished_in(const std::string& folder, const std::function<bool(std::string_view stem)>& which);

// Throws FileError in the name of `function` unless `path` is a regular file that can be written, or can
// become one. Changes and creates nothing.
void require_file(const char* function, const std::string& path);

// Whether both name the same file, existing or not, through any links. False for devices and pipes, which
// nobody overwrites.
bool is_same_file(const std::string& a, const std::string& b);

struct NamedFile {
  std::string name, path;  // "checkpoint"; an empty path is no file
};
// Throws ArgumentError, "checkpoint: expected another file than best_file, got ..", with `where` in front, if
// two of them are the same file.
void require_different_files(const std::string& where, const std::vector<NamedFile>& files);

// Keeps other trainings, in any process, from writing the same checkpoint: while one lives, constructing
// another throws FileError. It locks the file "PATH.lock" and removes it at the end; a lock file that a
// killed process left blocks nobody. On a file system without locks it does nothing.
class CheckpointLock {
 public:
  explicit CheckpointLock(const std::string& path);
  ~CheckpointLock();
  CheckpointLock(const CheckpointLock&) = delete;
  CheckpointLock& operator=(const CheckpointLock&) = delete;

 private:
  std::string file_;
  int descriptor_ = -1;
};

}  // namespace detail

}  // namespace unroll
