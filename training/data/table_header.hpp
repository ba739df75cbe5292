// What the first line of a table says of the rest.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace unroll::detail {

// Whether names read like a row of numbers, so that the table has no header: all are numbers, or at least
// half with one that is not whole ("5.1,3.5,1.4,0.2,setosa"). Six numbers or more that rise are names: of
// years, of wavelengths, 0 1 2 ...
bool is_row_of_numbers(const std::vector<std::string>& names);

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
