// One field of a table as a number.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace unroll::detail {

// A whole field in C notation, a '+' before it or not, with this character as the point: the nearest double,
// which is 0 for what is nearer to 0 than any other. Nothing for other texts, spaces too, and for what is
// beyond the largest double.
std::optional<double> parse_number(std::string_view field, char point = '.');
// A whole number of 64 bits, likewise.
std::optional<std::int64_t> parse_integer(std::string_view field);

// Whether the field is a whole number that the double nearest to it is not: "9007199254740993".
bool is_rounded(std::string_view field, double nearest);

// What stands for a missing value: nothing at all, or one of pandas' words ("NA", "nan", "NULL", ..).
bool is_missing(std::string_view field) noexcept;

}  // namespace unroll::detail
