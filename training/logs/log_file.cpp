#include "training/logs/log_file.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <unordered_set>
#include <utility>

#include "framework/atomic_file.hpp"
#include "framework/errors.hpp"
#include "framework/quoted.hpp"
#include "training/run_files.hpp"

namespace unroll::detail {

LogFile::LogFile(std::string path, std::string function)
    : path_(std::move(path)), function_(std::move(function)) {
  open();
  if (regular_) remove_unfinished(path_);
}

LogFile::~LogFile() { close(); }

void LogFile::open() {
  descriptor_ = ::open(path_.c_str(), O_RDWR | O_CREAT | O_APPEND | O_NOCTTY | O_CLOEXEC, 0666);
  if (descriptor_ < 0) fail("cannot write the file");
  struct stat info {};
  if (::fstat(descriptor_, &info) != 0) fail("cannot write the file");
  regular_ = S_ISREG(info.st_mode);
}

void LogFile::close() noexcept {
  if (descriptor_ >= 0) ::close(std::exchange(descriptor_, -1));
}

std::string LogFile::read() const {
  std::string text;
  if (!regular_) return text;
  char block[1 << 16];
  for (;;) {
    const ssize_t count = ::pread(descriptor_, block, sizeof block, static_cast<off_t>(text.size()));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) fail("cannot read the file");
    if (count == 0) return text;
    text.append(block, static_cast<std::size_t>(count));
  }
}

void LogFile::append(std::string_view record) {
  std::size_t done = 0;
  while (done < record.size()) {
    const ssize_t count = ::write(descriptor_, record.data() + done, record.size() - done);
    if (count >= 0) {
      done += static_cast<std::size_t>(count);
    } else if (errno != EINTR) {
      const int error = errno;
      struct stat info {};
      // Where even this fails, the half record is mended when the run is resumed.
      if (done > 0 && regular_ && ::fstat(descriptor_, &info) == 0) {
        [[maybe_unused]] const int cut = ::ftruncate(descriptor_, info.st_size - static_cast<off_t>(done));
      }
      errno = error;
      fail("cannot write the file");
    }
  }
}

void LogFile::replace(std::string_view contents, bool anew) {
  if (!regular_) {
    if (anew) return append(contents);
    fail(0, "expected a regular file, whose contents can be replaced, got a pipe or device");
  }
  AtomicFile file(path_, function_);
  file.write(contents.data(), contents.size());
  file.commit();
  close();
  open();
}

void LogFile::sync() {
  // A pipe or device that cannot be flushed has what it was given.
  if (::fsync(descriptor_) != 0 && errno != EINVAL && errno != ENOTSUP && errno != EROFS) {
    fail("cannot flush the file to disk");
  }
}

void LogFile::fail(std::size_t line, const std::string& what) const {
  std::string place = escaped(path_, 200);
  if (line > 0) place += fmt::format(":{}", line);
  throw FileError(fmt::format("[{}] {}: {}", function_, place, what));
}

void LogFile::fail(const char* what) const { fail(0, fmt::format("{}: {}", what, std::strerror(errno))); }

void check_scalar_names(const char* function, std::span<const NamedScalar> values,
                        std::initializer_list<std::string_view> reserved) {
  std::unordered_set<std::string_view> seen;
  seen.reserve(values.size());
  for (const auto& [name, value] : values) {
    if (name.empty()) throw ArgumentError(fmt::format("[{}.scalars] names: expected text, got ''", function));
    if (std::ranges::find(reserved, name) != reserved.end()) {
      throw ArgumentError(
          fmt::format("[{}.scalars] names: expected none of {}, which the log writes itself, got '{}'",
                      function, fmt::join(reserved, ", "), name));
    }
    if (!seen.insert(name).second) {
      throw ArgumentError(
          fmt::format("[{}.scalars] names: expected distinct names, got '{}' twice", function, name));
    }
  }
}

std::vector<std::string_view> whole_lines(std::string_view text) {
  std::vector<std::string_view> lines;
  for (std::size_t end; (end = text.find('\n')) != text.npos; text.remove_prefix(end + 1)) {
    lines.push_back(text.substr(0, end));
  }
  return lines;
}

}  // namespace unroll::detail
