// Bytes that were read, in a message: nothing in them reaches a terminal as a command.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

namespace unroll {

// UTF-8 as it is; "\n", "\r", "\t", and "\x1b" or "\u202e" for control characters, for what turns the writing
// direction and for bytes that are not UTF-8. Of more than `limit` characters the first ones and "...".
std::string escaped(std::string_view bytes, std::size_t limit = std::string_view::npos);

// The same between single quotes, with the number of bytes where not all are shown:
// 'n/a', 'aaaa...' (5000 bytes).
std::string quoted(std::string_view bytes, std::size_t limit = 60);

// Names for a message: "year, month, price", of many the first ones: "x0, x1, x2 ... (150000)". `limit`
// characters or so.
std::string listed(std::span<const std::string> names, std::size_t limit = 70);

}  // namespace unroll
