// What the texts of a table say: numbers, missing values, names and delimiters. For .cpp files.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace unroll::detail {

// The nearest double of a field in C notation, with an optional '+' and this decimal point; 0 if it
// underflows. Nothing for other texts, also with spaces, and for overflow.
std::optional<double> parse_field(std::string_view field, char point = '.');
// A whole number of 64 bits, likewise.
std::optional<std::int64_t> parse_integer(std::string_view field);

// Whether the field is a whole number that the double nearest to it is not: "9007199254740993".
bool is_rounded(std::string_view field, double nearest);

// Whether the field is empty or one of pandas' words for a missing value ("NA", "nan", "NULL", ..).
bool is_missing(std::string_view field) noexcept;

inline constexpr const char* kNoHeader = "(no header line? .header = false, or --no-header)";

// Whether names read like a row of values: one is a number as values are printed ("100.00"), or all are
// numbers, or at least half are numbers, dates or words for missing values; unless they go together as names
// do: rising whole numbers among texts (columns 0 1 2 ..), years, six or more numbers that rise by one step,
// twenty or more that rise (wavelengths).
bool is_row_of_numbers(const std::vector<std::string>& names);
// Whether any name is a number; the rows below may then show that all are values.
bool has_number(const std::vector<std::string>& names);
// The hint " (no header line? .header = false, or --no-header)" for such names; nothing for others and for
// the names of a table without a header.
std::string no_header_hint(const std::vector<std::string>& names);

// Whether a text is JSON (an object, or a list of objects or lists) and no table.
bool is_json(std::string_view text);

// The character that separates the columns of a text that begins with this record: a tab where one stands
// outside of quotes, else `usual`.
char delimiter_of(std::string_view text, char usual);
// The delimiter that seems to separate a single name's parts, ';' in "month;price"; 0: none.
char other_delimiter(const std::vector<std::string>& names);
// The same as a hint: " (does ';' separate? .delimiter = ';', or --delimiter ';')"; or nothing.
std::string delimiter_hint(const std::vector<std::string>& names);

}  // namespace unroll::detail
