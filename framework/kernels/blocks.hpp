// Copies of equally spaced blocks, the basis of splitting and joining along an axis. Internal.
#pragma once

#include <algorithm>
#include <cstddef>

#include "framework/tensor.hpp"

namespace unroll::kernel {

// A row-major tensor seen around one of its axes, as (outer, size, inner).
struct AxisView {
  std::size_t outer = 1, size = 1, inner = 1;

  AxisView(const Shape& shape, std::size_t axis) noexcept : size(shape[axis]) {
    for (std::size_t i = 0; i < axis; ++i) outer *= shape[i];
    for (std::size_t i = axis + 1; i < shape.size(); ++i) inner *= shape[i];
  }
};

// Copies count blocks of this length. The steps are the distances between blocks; a negative step is given as
// its two's complement.
template <class S>
void copy_blocks(const S* from, std::size_t from_step, S* to, std::size_t to_step, std::size_t count,
                 std::size_t length) {
  if (from_step == length && to_step == length) {
    std::copy_n(from, count * length, to);
    return;
  }
  const auto step_a = static_cast<std::ptrdiff_t>(from_step), step_b = static_cast<std::ptrdiff_t>(to_step);
  std::ptrdiff_t a = 0, b = 0;
  if (length == 1) {
    for (std::size_t i = 0; i < count; ++i, a += step_a, b += step_b) to[b] = from[a];
  } else {
    for (std::size_t i = 0; i < count; ++i, a += step_a, b += step_b) std::copy_n(from + a, length, to + b);
  }
}

}  // namespace unroll::kernel
