#include "training/data/json_text.hpp"

#include <fmt/format.h>

#include "framework/errors.hpp"
#include "framework/flat_json.hpp"

namespace unroll::detail {

std::string_view bounded_json(std::string_view text, const char* function) {
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

}  // namespace unroll::detail
