#include "framework/atomic_file.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <utility>

#include "framework/errors.hpp"

namespace unroll {

AtomicFile::AtomicFile(std::string path, std::string function)
    : path_(std::move(path)), function_(std::move(function)) {
  static std::atomic<unsigned> counter{0};
  do {
    temporary_ = fmt::format("{}.{}.{}.tmp", path_, ::getpid(), ++counter);
    descriptor_ = ::open(temporary_.c_str(), O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0666);
  } while (descriptor_ < 0 && errno == EEXIST);
  if (descriptor_ < 0) fail("want to create the file");
}

AtomicFile::~AtomicFile() {
  if (descriptor_ >= 0) ::close(descriptor_);
  if (!temporary_.empty()) ::unlink(temporary_.c_str());
}

void AtomicFile::write(const void* data, std::size_t bytes) {
  const char* at = static_cast<const char*>(data);
  while (bytes > 0) {
    const ssize_t written = ::write(descriptor_, at, bytes);
    if (written < 0) {
      if (errno == EINTR) continue;
      fail("want to write the file");
    }
    at += written;
    bytes -= static_cast<std::size_t>(written);
  }
}

void AtomicFile::commit() {
  if (::fsync(descriptor_) != 0) fail("want to flush the file to disk");
  if (::close(std::exchange(descriptor_, -1)) != 0) fail("want to close the file");
  if (::rename(temporary_.c_str(), path_.c_str()) != 0) fail("want to give the file its name");
  temporary_.clear();
  // The new name itself must reach the disk; a file system that cannot do it has at least the file.
  const std::size_t slash = path_.rfind('/');
  const std::string folder = slash == std::string::npos ? "." : path_.substr(0, slash + 1);
  if (const int directory = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC); directory >= 0) {
    ::fsync(directory);
    ::close(directory);
  }
}

void AtomicFile::fail(const char* what) {
  throw FileError(fmt::format("[{}] {}: {}, got: {}", function_, path_, what, std::strerror(errno)));
}

}  // namespace unroll
