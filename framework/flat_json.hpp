// JSON of one level, read as it comes: no tree is built, so that neither depth nor width costs more than the
// text.
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

// An object of texts, {"key": "text", ..}. For anything else fail, which throws, gets "expected .., got ..".
std::map<std::string, std::string> parse_texts(std::string_view json,
                                               const std::function<void(const std::string&)>& fail);

// Lists; nothing where the text is another. Numbers are finite, whole ones fit 64 bits.
std::optional<std::vector<std::string>> parse_text_list(std::string_view json);
std::optional<std::vector<double>> parse_real_list(std::string_view json);
std::optional<std::vector<std::int64_t>> parse_integer_list(std::string_view json);

// Whether lists and objects are nested deeper than this. What is built of such a text, parsers, printers and
// destructors may go through recursively.
bool nested_deeper(std::string_view json, std::size_t depth) noexcept;

}  // namespace unroll::detail
