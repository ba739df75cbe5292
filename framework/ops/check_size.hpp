// Internal to ops: a limit for sizes that a caller chooses.
#pragma once

#include <fmt/format.h>

#include <limits>

#include "framework/errors.hpp"
#include "framework/tensor.hpp"

namespace unroll::detail {

// Throws ShapeError for more elements than can be addressed, also beside an axis of size 0: products of sizes
// would wrap around.
inline void check_size(const char* op, const Shape& shape) {
  constexpr std::size_t kMost = std::numeric_limits<std::ptrdiff_t>::max() / sizeof(double);
  std::size_t left = kMost;
  for (const std::size_t size : shape) {
    if (size > left) {
      throw ShapeError(
          fmt::format("[{}] shape want at most {} elements, got {}", op, kMost, to_string(shape)));
    }
    if (size != 0) left /= size;
  }
}

}  // namespace unroll::detail
