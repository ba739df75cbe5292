#include "training/logs/log.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <string_view>
#include <unordered_set>

#include "framework/errors.hpp"

namespace unroll::detail {

void check_scalar_names(const char* function, std::span<const NamedScalar> values,
                        std::initializer_list<std::string_view> reserved) {
  std::unordered_set<std::string_view> seen;
  seen.reserve(values.size());
  for (const auto& [name, value] : values) {
    if (name.empty()) throw ArgumentError(fmt::format("[{}.scalars] names: expected text, got ''", function));
    if (std::ranges::find(reserved, name) != reserved.end()) {
      throw ArgumentError(
          fmt::format("[{}.scalars] names: expected none of {}, which the log writes itself, got '{}'",
                      function, fmt::join(reserved, ", "), name));
    }
    if (!seen.insert(name).second) {
      throw ArgumentError(
          fmt::format("[{}.scalars] names: expected distinct names, got '{}' twice", function, name));
    }
  }
}

}  // namespace unroll::detail
