#include "training/data/file_text.hpp"

#include <fmt/format.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "framework/errors.hpp"

namespace unroll::detail {

std::string read_bytes(const std::string& path) {
  std::error_code ignored;
  if (std::filesystem::is_directory(path, ignored))
    throw FileError(fmt::format("{}: want a file, got a directory", path));
  errno = 0;
  std::ifstream file(path, std::ios::binary);
  if (!file) throw FileError(fmt::format("{}: want a readable file, got: {}", path, std::strerror(errno)));
  std::string text;
  for (char block[1 << 16]; file.read(block, sizeof block) || file.gcount() > 0;)
    text.append(block, static_cast<std::size_t>(file.gcount()));
  if (file.bad())
    throw FileError(fmt::format("{}: want a readable file, got: {}", path, std::strerror(errno)));
  return text;
}

void fail_at(const std::string& path, std::size_t line, std::string_view message) {
  throw FileError(fmt::format("{}:{}: {}", path, line, message));
}

std::string_view without_bom(std::string_view text) noexcept {
  return text.starts_with("\xef\xbb\xbf") ? text.substr(3) : text;
}

}  // namespace unroll::detail
