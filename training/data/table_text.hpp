// What the texts of a table say: numbers, missing values, names and delimiters. For .cpp files.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace unroll::detail {

// A whole field in C notation, a '+' before it or not, with this character as the point: the nearest double,
// which is 0 for what is nearer to 0 than any other. Nothing for other texts, spaces too, and for what is
// beyond the largest double.
std::optional<double> parse_field(std::string_view field, char point = '.');
// A whole number of 64 bits, likewise.
std::optional<std::int64_t> parse_integer(std::string_view field);

// Whether the field is a whole number that the double nearest to it is not: "9007199254740993".
bool is_rounded(std::string_view field, double nearest);

// What stands for a missing value: nothing at all, or one of pandas' words ("NA", "nan", "NULL", ..).
bool is_missing(std::string_view field) noexcept;

inline constexpr const char* kNoHeader = "(no header line? .header = false, or --no-header)";

// Whether names read like a row of values, so that the table has no header: one is a number as values are
// printed ("100.00"), or all are numbers, or at least half are numbers, dates or words for what is missing,
// and they do not go together as names do. Those are whole numbers that rise beside texts (columns 0 1 2 ..),
// years, six numbers or more that rise by one step, and twenty or more that rise (wavelengths).
bool is_row_of_numbers(const std::vector<std::string>& names);
// Whether one name is a number, so that the rows below may tell that all are values.
bool has_number(const std::vector<std::string>& names);
// What a message says of such names: " (no header line? .header = false, or --no-header)"; nothing of others
// and of those that a table without a header has.
std::string no_header_hint(const std::vector<std::string>& names);

// Whether a text is JSON, an object or a list of objects or lists, and no table.
bool is_json(std::string_view text);

// The character that separates the columns of a text that begins with this record: a tab where one stands
// outside of quotes, else `usual`.
char delimiter_of(std::string_view text, char usual);
// The delimiter that seems to separate a single name's parts, ';' in "month;price"; 0: none.
char other_delimiter(const std::vector<std::string>& names);
// The same as words behind a message: " (does ';' separate? .delimiter = ';', or --delimiter ';')"; or
// nothing.
std::string delimiter_hint(const std::vector<std::string>& names);

}  // namespace unroll::detail
