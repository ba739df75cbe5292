#include "training/leftovers.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <optional>
#include <string_view>
#include <vector>

#include "framework/atomic_file.hpp"

namespace unroll {
namespace {

constexpr std::string_view kEnd = ".tmp";

struct Place {
  std::string folder;  // "" or with a slash at its end
  std::string name;
};

Place place_of(const std::string& path) {
  std::string file = detail::linked_file(path);
  const std::size_t slash = file.rfind('/');
  if (slash == std::string::npos) return {"", file};
  return {file.substr(0, slash + 1), file.substr(slash + 1)};
}

bool is_number(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
}

// STEM of "STEM.NUMBER.NUMBER.tmp"; nothing of any other name.
std::optional<std::string_view> stem_of(std::string_view file) {
  if (!file.ends_with(kEnd)) return std::nullopt;
  file.remove_suffix(kEnd.size());
  for (int numbers = 0; numbers < 2; ++numbers) {
    const std::size_t dot = file.rfind('.');
    if (dot == file.npos || !is_number(file.substr(dot + 1))) return std::nullopt;
    file = file.substr(0, dot);
  }
  return file;
}

// Removes the file if nobody holds its lock.
bool remove_if_left(const std::string& path) {
  const int descriptor = ::open(path.c_str(), O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
  if (descriptor < 0) return false;
  struct stat mine {
  }, there{};
  const bool left = ::fstat(descriptor, &mine) == 0 && S_ISREG(mine.st_mode) &&
                    ::flock(descriptor, LOCK_EX | LOCK_NB) == 0 &&
                    // Its writer may have finished since it was opened, and another may use the name.
                    ::lstat(path.c_str(), &there) == 0 && there.st_ino == mine.st_ino &&
                    there.st_dev == mine.st_dev && ::unlink(path.c_str()) == 0;
  ::close(descriptor);
  return left;
}

}  // namespace

std::string detail::linked_file(const std::string& path) {
  char* const resolved = ::realpath(path.c_str(), nullptr);
  if (resolved == nullptr) return path;
  std::string file = resolved;
  std::free(resolved);
  return file;
}

int detail::remove_unfinished_in(const std::string& folder,
                                 const std::function<bool(std::string_view stem)>& which) {
  DIR* at = ::opendir(folder.c_str());
  if (at == nullptr) return 0;
  std::vector<std::string> files;
  while (const dirent* entry = ::readdir(at)) {
    const auto stem = stem_of(entry->d_name);
    if (stem && which(*stem)) files.push_back(folder + "/" + entry->d_name);
  }
  ::closedir(at);
  return static_cast<int>(std::ranges::count_if(files, remove_if_left));
}

int remove_unfinished(const std::string& path) {
  const Place place = place_of(path);
  const std::string stem = detail::temporary_stem(place.name);
  return detail::remove_unfinished_in(place.folder.empty() ? "." : place.folder,
                                      [&](std::string_view found) { return found == stem; });
}

}  // namespace unroll
