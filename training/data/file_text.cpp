#include "training/data/file_text.hpp"

#include <fmt/format.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <new>

#include "framework/errors.hpp"
#include "framework/file_kind.hpp"
#include "framework/quoted.hpp"

namespace unroll::detail {

namespace fs = std::filesystem;

std::string read_bytes(const std::string& path) {
  std::error_code ignored;
  if (fs::is_directory(path, ignored))
    throw FileError(fmt::format("{}: expected a file, got a directory", escaped(path)));
  errno = 0;
  std::ifstream file(path, std::ios::binary);
  const auto fail = [&](const char* got) {
    throw FileError(fmt::format("{}: cannot read the file: {}", escaped(path), got));
  };
  if (!file) fail(std::strerror(errno));
  try {
    std::string text;
    if (fs::is_regular_file(path, ignored)) {
      const std::uintmax_t size = fs::file_size(path, ignored);
      if (!ignored && size < text.max_size()) text.reserve(static_cast<std::size_t>(size));  // no byte more
    }
    for (char block[1 << 16]; file.read(block, sizeof block) || file.gcount() > 0;)
      text.append(block, static_cast<std::size_t>(file.gcount()));
    if (file.bad()) fail(std::strerror(errno));
    return text;
  } catch (const std::bad_alloc&) {
    throw FileError(fmt::format("{}: expected a file that memory can hold, got a larger one", escaped(path)));
  }
}

namespace {

[[noreturn]] void fail_kind(const std::string& path, std::string_view want, std::string_view got) {
  throw FileError(fmt::format("{}: expected {}, got {}", escaped(path), want, got));
}

}  // namespace

void require_text(const std::string& path, std::string_view bytes, std::string_view what) {
  if (const std::string kind = file_kind(bytes); !kind.empty()) fail_kind(path, what, kind);
}

void require_lines(const std::string& path, std::string_view bytes, std::string_view what) {
  if (bytes.find('\r') != std::string_view::npos && bytes.find('\n') == std::string_view::npos)
    fail_kind(path, what, "lines that end in CR only (convert them: tr '\\r' '\\n' < FILE > NEW)");
}

void fail_at(const std::string& path, std::size_t line, std::string_view message) {
  throw FileError(fmt::format("{}:{}: {}", escaped(path), line, message));
}

std::string_view without_bom(std::string_view text) noexcept {
  return text.starts_with("\xef\xbb\xbf") ? text.substr(3) : text;
}

}  // namespace unroll::detail
