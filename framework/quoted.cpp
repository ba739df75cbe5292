#include "framework/quoted.hpp"

#include <fmt/format.h>

#include <cstdint>

namespace unroll {
namespace {

struct Character {
  std::size_t bytes;  // at least 1
  char32_t code;      // kInvalid for a byte that begins no UTF-8 character
};
constexpr char32_t kInvalid = 0xFFFFFFFF;

// Decodes the character that text begins with; surrogates, overlong forms and codes beyond U+10FFFF are
// invalid.
Character first_character(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned lead = byte(0);
  if (lead < 0x80) return {1, lead};
  const std::size_t bytes = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
  if (lead < 0xC2 || lead > 0xF4 || text.size() < bytes) return {1, kInvalid};
  char32_t code = lead & (0x7FU >> bytes);
  for (std::size_t i = 1; i < bytes; ++i) {
    if ((byte(i) & 0xC0U) != 0x80) return {1, kInvalid};
    code = (code << 6) | (byte(i) & 0x3FU);
  }
  constexpr char32_t kLeast[] = {0, 0, 0x80, 0x800, 0x10000};
  if (code < kLeast[bytes] || code > 0x10FFFF || (code >= 0xD800 && code < 0xE000)) return {1, kInvalid};
  return {bytes, code};
}

// Controls, line separators, marks and overrides of the writing direction, and byte order marks.
bool is_hidden(char32_t c) {
  return c < 0x20 || (c >= 0x7F && c < 0xA0) || c == 0x200E || c == 0x200F || (c >= 0x2028 && c <= 0x202E) ||
         (c >= 0x2066 && c <= 0x2069) || c == 0xFEFF;
}

// Removes up to limit characters from the front of bytes and returns them escaped.
std::string take(std::string_view& bytes, std::size_t limit) {
  std::string text;
  for (std::size_t shown = 0; !bytes.empty();) {
    const auto [size, code] = first_character(bytes);
    std::string one(bytes.substr(0, size));
    if (code == '\n' || code == '\r' || code == '\t') {
      one = code == '\n' ? "\\n" : code == '\r' ? "\\r" : "\\t";
    } else if (code == kInvalid || (is_hidden(code) && code < 0x80)) {
      one = fmt::format("\\x{:02x}", static_cast<unsigned char>(bytes[0]));
    } else if (is_hidden(code)) {
      one = fmt::format("\\u{:04x}", static_cast<std::uint32_t>(code));
    }
    shown += one[0] == bytes[0] ? 1 : one.size();
    if (shown > limit) break;
    text += one;
    bytes.remove_prefix(size);
  }
  return text;
}

}  // namespace

std::string escaped(std::string_view bytes, std::size_t limit) {
  const std::string text = take(bytes, limit);
  return bytes.empty() ? text : text + "...";
}

std::string quoted(std::string_view bytes, std::size_t limit) {
  std::string_view rest = bytes;
  const std::string text = take(rest, limit);
  return rest.empty() ? fmt::format("'{}'", text) : fmt::format("'{}...' ({} bytes)", text, bytes.size());
}

std::string listed(std::span<const std::string> names, std::size_t limit) {
  std::string text;
  for (std::size_t i = 0; i < names.size(); ++i) {
    const std::string name = escaped(names[i], limit);
    if (i > 0 && text.size() + name.size() > limit) return fmt::format("{} ... ({})", text, names.size());
    if (i > 0) text += ", ";
    text += name;
  }
  return text;
}

}  // namespace unroll
