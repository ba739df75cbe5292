// Quotes outside bytes for messages, so that none of them reaches a terminal as a control sequence.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

namespace unroll {

// Returns UTF-8 text unchanged, with "\n", "\r", "\t", and "\x1b" or "\u202e" for control characters, for
// characters that change the writing direction, and for invalid bytes. Text of more than `limit` characters
// ends in "...".
std::string escaped(std::string_view bytes, std::size_t limit = std::string_view::npos);

// Returns the same in single quotes, followed by the number of bytes if not all are shown:
// 'n/a', 'aaaa...' (5000 bytes).
std::string quoted(std::string_view bytes, std::size_t limit = 60);
// Without this overload std::quoted would be the better match.
inline std::string quoted(const std::string& bytes, std::size_t limit = 60) {
  return quoted(std::string_view(bytes), limit);
}
inline std::string quoted(std::string& bytes, std::size_t limit = 60) {
  return quoted(std::string_view(bytes), limit);
}
inline std::string quoted(const char* bytes, std::size_t limit = 60) {
  return quoted(std::string_view(bytes), limit);
}

// Formats names for a message: "year, month, price"; a long list is shortened to about `limit` characters:
// "x0, x1, x2 ... (150000)".
std::string listed(std::span<const std::string> names, std::size_t limit = 70);

}  // namespace unroll
