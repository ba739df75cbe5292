#include "training/data/text.hpp"

#include <fmt/format.h>
#include <utf8.h>
#include <utf8/unchecked.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <new>

#include "framework/errors.hpp"
#include "framework/file_kind.hpp"
#include "framework/quoted.hpp"

namespace unroll {
namespace {

unsigned byte_at(std::string_view text, std::size_t at) { return static_cast<unsigned char>(text[at]); }

void require_utf8(const char* function, std::string_view text) {
  const std::size_t bad = utf8::find_invalid(text);
  if (bad == std::string_view::npos) return;
  throw ArgumentError(fmt::format("[{}] text: expected UTF-8, got byte 0x{:02x} at position {}", function,
                                  byte_at(text, bad), bad + 1));
}

// Unicode's property White_Space.
bool is_space(char32_t c) {
  return (c >= 0x09 && c <= 0x0D) || c == 0x20 || c == 0x85 || c == 0xA0 || c == 0x1680 ||
         (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F ||
         c == 0x3000;
}

}  // namespace

std::string read_text(const std::string& path) {
  const std::string bytes = detail::read_bytes(path);
  if (!is_markup(bytes)) detail::require_text(path, bytes, "UTF-8 text");
  const std::string_view text = detail::without_bom(bytes);
  const std::size_t bad = utf8::find_invalid(text);
  if (bad != std::string_view::npos) {
    const std::string_view before = text.substr(0, bad);
    const auto line = static_cast<std::size_t>(std::count(before.begin(), before.end(), '\n')) + 1;
    const std::size_t line_begin = before.rfind('\n') + 1;  // npos + 1 = 0
    detail::fail_at(path, line,
                    fmt::format("expected UTF-8, got byte 0x{:02x} at column {}", byte_at(text, bad),
                                bad - line_begin + 1));
  }
  return std::string(text);
}

std::vector<std::string> read_lines(const std::string& path) {
  const std::string text = read_text(path);
  detail::require_lines(path, text, "lines of text");
  std::vector<std::string> lines;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    const bool windows = end < text.size() && end > begin && text[end - 1] == '\r';
    lines.push_back(text.substr(begin, end - begin - (windows ? 1 : 0)));
    begin = end + 1;
  }
  return lines;
}

std::vector<std::string_view> characters(std::string_view text) {
  require_utf8("characters", text);
  std::vector<std::string_view> result;
  for (const char* at = text.data(); at != text.data() + text.size();) {
    const char* begin = at;
    utf8::unchecked::next(at);
    result.emplace_back(begin, static_cast<std::size_t>(at - begin));
  }
  return result;
}

std::vector<std::string_view> words(std::string_view text) {
  require_utf8("words", text);
  std::vector<std::string_view> result;
  const char* const end = text.data() + text.size();
  const char* word = text.data();
  for (const char* at = word; at != end;) {
    const char* const begin = at;
    if (!is_space(utf8::unchecked::next(at))) continue;
    if (begin != word) result.emplace_back(word, static_cast<std::size_t>(begin - word));
    word = at;
  }
  if (word != end) result.emplace_back(word, static_cast<std::size_t>(end - word));
  return result;
}

namespace detail {

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

}  // namespace detail

}  // namespace unroll
