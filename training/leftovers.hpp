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

}  // namespace detail
}  // namespace unroll
