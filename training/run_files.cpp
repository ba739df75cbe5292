#include "training/run_files.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <system_error>
#include <utility>

#include "framework/atomic_file.hpp"
#include "framework/errors.hpp"
#include "framework/quoted.hpp"

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

namespace detail {

namespace {

const char* kind_of(mode_t mode) {
  if (S_ISDIR(mode)) return "a folder";
  if (S_ISFIFO(mode)) return "a pipe";
  if (S_ISSOCK(mode)) return "a socket";
  return "a device";
}

// One name for all names of a file, whether or not it is there; empty where there is none.
std::filesystem::path resolved(const std::string& path) {
  namespace fs = std::filesystem;
  std::error_code error;
  const fs::path file = followed(path);
  if (file.empty()) return file;
  // Of a relative path whose folder is not written weakly_canonical would make none that is absolute.
  const fs::path whole = fs::weakly_canonical(fs::absolute(file, error), error);
  return error ? fs::path() : whole;
}

}  // namespace

void require_file(const char* function, const std::string& path) {
  struct stat info {};
  if (::stat(path.c_str(), &info) == 0 && !S_ISREG(info.st_mode)) {
    throw FileError(fmt::format("[{}] {}: expected a file to write, got {}", function, escaped(path, 200),
                                kind_of(info.st_mode)));
  }
  const AtomicFile probe(path, function);
}

bool is_same_file(const std::string& a, const std::string& b) {
  namespace fs = std::filesystem;
  std::error_code error;
  const fs::file_status status = fs::status(a, error);
  if (fs::exists(status) && !fs::is_regular_file(status)) return false;
  if (fs::equivalent(a, b, error)) return true;
  const fs::path first = resolved(a);
  return !first.empty() && first == resolved(b);
}

void require_different_files(const std::string& where, const std::vector<NamedFile>& files) {
  for (auto file = files.begin(); file != files.end(); ++file) {
    const auto same = std::find_if(files.begin(), file, [&](const NamedFile& other) {
      return !file->path.empty() && !other.path.empty() && is_same_file(file->path, other.path);
    });
    if (same == file) continue;
    throw ArgumentError(fmt::format("{}{}: expected another file than {}, got {} and {}", where, file->name,
                                    same->name, unroll::quoted(file->path), unroll::quoted(same->path)));
  }
}

CheckpointLock::CheckpointLock(const std::string& path) : file_(linked_file(path) + ".lock") {
  for (int tries = 0; tries < 100; ++tries) {
    descriptor_ = ::open(file_.c_str(), O_CREAT | O_RDWR | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY, 0666);
    if (descriptor_ < 0) return;  // whoever cannot write here will be told so for the checkpoint itself
    if (::flock(descriptor_, LOCK_EX | LOCK_NB) != 0) {
      const bool held = errno == EWOULDBLOCK;
      ::close(std::exchange(descriptor_, -1));
      if (!held) return;
      throw FileError(
          fmt::format("[Trainer.fit] {}: expected a checkpoint that no other training writes, got one in use "
                      "({} is locked)",
                      escaped(path, 200), escaped(file_, 200)));
    }
    struct stat mine {
    }, there{};
    if (::fstat(descriptor_, &mine) != 0 ||
        (::lstat(file_.c_str(), &there) == 0 && mine.st_ino == there.st_ino && mine.st_dev == there.st_dev)) {
      return;
    }
    ::close(std::exchange(descriptor_, -1));  // of one that has just ended and taken it away
  }
}

CheckpointLock::~CheckpointLock() {
  if (descriptor_ < 0) return;
  ::unlink(file_.c_str());
  ::close(descriptor_);
}

}  // namespace detail

}  // namespace unroll
