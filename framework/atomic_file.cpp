#include "framework/atomic_file.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <climits>
#include <cstring>
#include <utility>

#include "framework/errors.hpp"
#include "framework/quoted.hpp"

namespace unroll {
namespace {

// "folder/" of "folder/name", or "".
std::string folder_of(const std::string& path) { return path.substr(0, path.rfind('/') + 1); }

}  // namespace

std::string detail::followed(std::string path) {
  constexpr int kMostLinks = 40;  // as in Linux
  for (int links = 0; links < kMostLinks; ++links) {
    char target[PATH_MAX];
    const ssize_t length = ::readlink(path.c_str(), target, sizeof target);
    if (length < 0) return path;  // no link
    const std::string next(target, static_cast<std::size_t>(length));
    path = next.starts_with('/') ? next : folder_of(path) + next;
  }
  errno = ELOOP;
  return {};
}

std::string detail::temporary_stem(const std::string& name) {
  // File systems allow names of 255 bytes; a name is not cut inside a character.
  constexpr std::size_t kLongest = 200;
  std::string stem = name;
  if (stem.size() > kLongest) {
    std::size_t end = kLongest;
    while (end > 0 && (static_cast<unsigned char>(stem[end]) & 0xC0U) == 0x80) --end;
    stem.resize(end);
  }
  // TensorBoard reads every file with this word in its name.
  constexpr std::string_view kEvents = "tfevents";
  for (auto at = stem.find(kEvents); at != stem.npos; at = stem.find(kEvents)) stem.insert(at + 2, "-");
  return stem;
}

AtomicFile::AtomicFile(std::string path, std::string function)
    : path_(std::move(path)), function_(std::move(function)) {
  if (path_.empty() || path_.find('\0') != std::string::npos) {
    errno = path_.empty() ? ENOENT : EINVAL;
    fail("cannot use this file name");
  }
  struct stat info {};
  const bool exists = ::stat(path_.c_str(), &info) == 0;
  if (!exists && errno != ENOENT) fail("cannot create the file");
  if (exists && S_ISDIR(info.st_mode)) {
    errno = EISDIR;
    fail("cannot write the file");
  }
  // A file without write permission is not replaced either. access() would check the real user.
  if (exists && ::faccessat(AT_FDCWD, path_.c_str(), W_OK, AT_EACCESS) != 0) fail("cannot write the file");
  direct_ = exists && !S_ISREG(info.st_mode);
  // A path to a pipe, like /dev/stdout, may not be one that can be followed.
  target_ = direct_ ? path_ : detail::followed(path_);
  if (target_.empty()) fail("cannot create the file");
  if (!direct_) open_temporary(exists, info.st_mode, info.st_uid, info.st_gid);
}

void AtomicFile::open_temporary(bool replaces, mode_t mode, uid_t owner, gid_t group) {
  static std::atomic<unsigned> counter{0};
  const std::string folder = folder_of(target_);
  const std::string stem = folder + detail::temporary_stem(target_.substr(folder.size()));
  for (;;) {
    temporary_ = fmt::format("{}.{}.{}.tmp", stem, ::getpid(), ++counter);
    // The replacement stays private until it has the old file's mode.
    descriptor_ = ::open(temporary_.c_str(), O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, replaces ? 0600 : 0666);
    if (descriptor_ < 0) {
      if (errno == EEXIST) continue;
      temporary_.clear();
      fail("cannot create the file");
    }
    // Tells other processes that the file is being written; without locks nobody can check either.
    const bool locked = ::flock(descriptor_, LOCK_EX | LOCK_NB) == 0;
    if (!locked && errno != EWOULDBLOCK) break;
    struct stat info {};
    if (locked && (::fstat(descriptor_, &info) != 0 || info.st_nlink > 0)) break;
    ::close(descriptor_);  // another process took it for a leftover and removes it now, or has done so
  }
  if (!replaces) return;
  const bool same_group =
      ::fchown(descriptor_, owner, group) == 0 || ::fchown(descriptor_, static_cast<uid_t>(-1), group) == 0;
  mode &= 0777;
  // Another group gets no more rights than everybody.
  if (!same_group) mode = (mode & ~mode_t{S_IRWXG}) | (mode & ((mode & S_IRWXO) << 3));
  if (::fchmod(descriptor_, mode) != 0) fail("cannot set the file's mode");
}

void AtomicFile::open_directly() {
  // Does not wait for a pipe's reader, which may never come; with a reader, writing may wait for it.
  descriptor_ = ::open(target_.c_str(), O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
  if (descriptor_ < 0) {
    fail(errno == ENXIO ? "no reader on the pipe or socket" : "cannot open the device or pipe");
  }
  const int flags = ::fcntl(descriptor_, F_GETFL);
  if (flags < 0 || ::fcntl(descriptor_, F_SETFL, flags & ~O_NONBLOCK) != 0)
    fail("cannot open the device or pipe");
}

AtomicFile::~AtomicFile() { discard(); }

void AtomicFile::discard() noexcept {
  if (!temporary_.empty()) ::unlink(temporary_.c_str());
  temporary_.clear();
  if (descriptor_ >= 0) ::close(std::exchange(descriptor_, -1));
}

void AtomicFile::write(const void* data, std::size_t bytes) {
  if (direct_ && descriptor_ < 0) open_directly();
  const char* at = static_cast<const char*>(data);
  while (bytes > 0) {
    const ssize_t written = ::write(descriptor_, at, bytes);
    if (written < 0) {
      if (errno == EINTR) continue;
      fail("cannot write the file");
    }
    at += written;
    bytes -= static_cast<std::size_t>(written);
  }
}

void AtomicFile::commit() {
  if (direct_ && descriptor_ < 0) open_directly();
  // A device or pipe that cannot be flushed has received the data.
  if (::fsync(descriptor_) != 0 && !(direct_ && (errno == EINVAL || errno == ENOTSUP || errno == EROFS))) {
    fail("cannot flush the file to disk");
  }
  if (direct_) {
    if (::close(std::exchange(descriptor_, -1)) != 0) fail("cannot close the file");
    return;
  }
  // Closed, and so unlocked, only under its final name.
  if (::rename(temporary_.c_str(), target_.c_str()) != 0) fail("cannot rename the file into place");
  temporary_.clear();
  if (::close(std::exchange(descriptor_, -1)) != 0) fail("cannot close the file");
  // The new name must also reach the disk; if the file system cannot do that, it has at least the file.
  const std::string folder = folder_of(target_);
  if (const int directory = ::open(folder.empty() ? "." : folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
      directory >= 0) {
    ::fsync(directory);
    ::close(directory);
  }
}

void AtomicFile::fail(const char* what) {
  const char* const reason = std::strerror(errno);
  discard();
  throw FileError(fmt::format("[{}] {}: {}: {}", function_, escaped(path_, 200), what, reason));
}

}  // namespace unroll
