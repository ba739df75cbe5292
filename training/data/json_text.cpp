#include "training/data/json_text.hpp"

#include <fmt/format.h>

#include "framework/errors.hpp"

namespace unroll::detail {

std::string_view bounded_json(std::string_view text, const char* function) {
  if (text.size() > kLongestJson) {
    throw ArgumentError(
        fmt::format("[{}] json want at most {} bytes, got {}", function, kLongestJson, text.size()));
  }
  std::size_t depth = 0;
  bool in_text = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_text) {
      if (c == '\\') ++i;
      if (c == '"') in_text = false;
    } else if (c == '"') {
      in_text = true;
    } else if (c == '[' || c == '{') {
      if (++depth > kDeepestJson) {
        throw ArgumentError(fmt::format("[{}] json want lists and objects at most {} deep, got more",
                                        function, kDeepestJson));
      }
    } else if ((c == ']' || c == '}') && depth > 0) {
      --depth;
    }
  }
  return text;
}

}  // namespace unroll::detail
