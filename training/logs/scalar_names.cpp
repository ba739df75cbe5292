#include "training/logs/scalar_names.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "framework/errors.hpp"

namespace unroll::detail {

void check_scalar_names(const char* function, std::span<const NamedScalar> values,
                        std::initializer_list<std::string_view> reserved) {
  for (auto value = values.begin(); value != values.end(); ++value) {
    const std::string& name = value->name;
    if (name.empty()) throw ArgumentError(fmt::format("[{}.scalars] names want text, got ''", function));
    if (std::ranges::find(reserved, name) != reserved.end()) {
      throw ArgumentError(
          fmt::format("[{}.scalars] names want none of {}, which the log writes itself, got '{}'", function,
                      fmt::join(reserved, ", "), name));
    }
    // A handful of values: looking through them is faster than a set.
    if (std::any_of(values.begin(), value, [&](const NamedScalar& other) { return other.name == name; })) {
      throw ArgumentError(fmt::format("[{}.scalars] names want to differ, got '{}' twice", function, name));
    }
  }
}

}  // namespace unroll::detail
