// What killed writers have left of files that were being written.
#pragma once

#include <functional>
#include <string>
#include <string_view>

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

// A new empty file beside `path` for a program that writes by name; for as long as this object lives it is no
// leftover, and what still has that name then goes away. It is called as AtomicFile calls its own.
class Unfinished {
 public:
  // Throws FileError, with `function` as what reports it, when none can be created.
  Unfinished(const std::string& path, const char* function);
  ~Unfinished();
  Unfinished(const Unfinished&) = delete;
  Unfinished& operator=(const Unfinished&) = delete;

  const std::string& path() const noexcept { return path_; }

 private:
  std::string path_;
  int descriptor_;
};

}  // namespace detail
}  // namespace unroll
