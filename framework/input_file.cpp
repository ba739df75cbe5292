#include "framework/input_file.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "framework/errors.hpp"
#include "framework/file_kind.hpp"
#include "framework/quoted.hpp"

namespace unroll {

InputFile::InputFile(std::string path, std::string function)
    : path_(std::move(path)), function_(std::move(function)) {
  if (path_.find('\0') != std::string::npos) fail("expected a file name, got one with a zero byte");
  // Without waiting: open() of a pipe would wait for a writer.
  descriptor_ = ::open(path_.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (descriptor_ < 0) fail(fmt::format("cannot read the file: {}", std::strerror(errno)));
  struct stat info {};
  const bool regular = ::fstat(descriptor_, &info) == 0 && S_ISREG(info.st_mode);
  if (!regular) {
    ::close(descriptor_);
    fail("expected a regular file, got a directory or device");
  }
  size_ = static_cast<std::uint64_t>(info.st_size);
}

InputFile::~InputFile() { ::close(descriptor_); }

std::string InputFile::kind() const {
  std::string front(std::min<std::uint64_t>(size_, kFileKindBytes), '\0');
  read(0, front.data(), front.size());
  return file_kind(front);
}

void InputFile::read(std::uint64_t at, void* to, std::size_t bytes) const {
  char* next = static_cast<char*>(to);
  const std::size_t wanted = bytes;
  while (bytes > 0) {
    const ssize_t count = ::pread(descriptor_, next, bytes, static_cast<off_t>(at));
    if (count < 0) {
      if (errno == EINTR) continue;
      fail(fmt::format("cannot read {} bytes: {}", wanted, std::strerror(errno)));
    }
    if (count == 0) fail(fmt::format("expected {} bytes more, got {} (truncated?)", wanted, wanted - bytes));
    next += count;
    at += static_cast<std::uint64_t>(count);
    bytes -= static_cast<std::size_t>(count);
  }
}

void InputFile::fail(const std::string& what) const {
  throw FileError(fmt::format("[{}] {}: {}", function_, escaped(path_), what));
}

}  // namespace unroll
