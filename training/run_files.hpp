// The files of a training run: checks before it begins, locks, and what killed writers left.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace unroll {

// Removes the unfinished files that killed writers of `path` have left beside it, or beside what it links to,
// and returns how many. Those that are still being written stay, by whatever process in whatever container:
// their writers hold a lock on them. Where the file system has no locks, all stay.
int remove_unfinished(const std::string& path);

namespace detail {

// The file behind symbolic links; `path` itself where there is none.
std::string linked_file(const std::string& path);

// The same for all files of a folder whose names, as AtomicFile changes them, fit.
int remove_unfinished_in(const std::string& folder, const std::function<bool(std::string_view stem)>& which);

// Throws FileError, with `function` as what reports it, unless `path` is a regular file that can be written
// or can become one. Leaves what is there, and nothing new.
void require_file(const char* function, const std::string& path);

// True when both name the same file, there or not, by whatever links; devices and pipes, which nobody
// overwrites, never are.
bool is_same_file(const std::string& a, const std::string& b);

struct NamedFile {
  std::string name, path;  // "checkpoint"; an empty path is no file
};
// Throws ArgumentError, "checkpoint: expected another file than best_file, got ..", with `where` in front,
// when two of them are the same file.
void require_different_files(const std::string& where, const std::vector<NamedFile>& files);

// One training alone writes a checkpoint: while this lives, another of its kind for the same file, in any
// process, throws FileError. The lock is one on "PATH.lock", which goes away with it; what a killed process
// has left of it holds nobody up. Where the file system has no locks nothing is held.
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
