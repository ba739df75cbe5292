// JSON texts from files, which nobody has checked: how deep and how long they are, and how they are shown.
#pragma once

#include <fmt/format.h>

#include <cstddef>
#include <string>
#include <string_view>

#include "framework/errors.hpp"
#include "framework/flat_json.hpp"
#include "framework/quoted.hpp"

namespace unroll::detail {

inline constexpr std::size_t kDeepestJson = 8;           // nested lists and objects; ours have 4
inline constexpr std::size_t kLongestJson = 1UL << 27U;  // bytes

// The text, which a recursive parser and its values may now go through without a look at the stack. function
// is what messages name, "Labels.from_json". Throws ArgumentError for one that is deeper or longer.
inline std::string_view bounded_json(std::string_view text, const char* function) {
  if (text.size() > kLongestJson) {
    throw ArgumentError(
        fmt::format("[{}] json: expected at most {} bytes, got {}", function, kLongestJson, text.size()));
  }
  if (nested_deeper(text, kDeepestJson)) {
    throw ArgumentError(fmt::format("[{}] json: expected lists and objects at most {} deep, got more",
                                    function, kDeepestJson));
  }
  return text;
}

// A value for a message: texts and numbers shortened, of lists and objects only what they are.
template <class Json>
std::string excerpt(const Json& value) {
  if (value.is_string()) return quoted(value.template get_ref<const std::string&>());
  if (value.is_array()) return "a list of " + std::to_string(value.size());
  if (value.is_object()) return "an object";
  return value.dump();  // a number, true, false or null
}

}  // namespace unroll::detail
