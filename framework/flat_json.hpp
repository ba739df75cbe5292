// Reads flat JSON without building a tree, so neither depth nor width costs more than the text.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace unroll::detail {

// Parses an object of strings, {"key": "text", ..}. For anything else calls fail, which throws, with
// "expected .., got ..".
std::map<std::string, std::string> parse_texts(std::string_view json,
                                               const std::function<void(const std::string&)>& fail);

// Parse lists; nothing if the text is something else. Numbers must be finite, integers must fit 64 bits.
std::optional<std::vector<std::string>> parse_text_list(std::string_view json);
std::optional<std::vector<double>> parse_real_list(std::string_view json);
std::optional<std::vector<std::int64_t>> parse_integer_list(std::string_view json);

// Returns whether lists and objects are nested deeper than depth. Parsers, printers and destructors of JSON
// trees may recurse.
bool nested_deeper(std::string_view json, std::size_t depth) noexcept;

}  // namespace unroll::detail
