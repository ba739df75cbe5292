// Untrusted JSON texts: limits of depth and length, and values in messages. For .cpp files.
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

// Returns the text, which is then safe for a recursive parser. Throws ArgumentError, naming the function, for
// a text that is deeper or longer.
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

// A value for a message: shortened, and of lists and objects only their kind.
template <class Json>
std::string excerpt(const Json& value) {
  if (value.is_string()) return quoted(value.template get_ref<const std::string&>());
  if (value.is_array()) return "a list of " + std::to_string(value.size());
  if (value.is_object()) return "an object";
  return value.dump();  // a number, true, false or null
}

}  // namespace unroll::detail
