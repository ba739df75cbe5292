// Reductions over any set of axes. Internal: included only by .cpp files.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "framework/kernels/reduce.hpp"
#include "framework/tensor.hpp"

namespace unroll::kernel {

// x (outer, n, inner) -> out (outer, inner).
template <class S>
void reduce_axis(typename Reductions<S>::Function f, const S* x, std::size_t outer, std::size_t n,
                 std::size_t inner, S* out) {
  std::vector<S> scratch(reduction_scratch(n, inner));
  f(x, outer, n, inner, out, scratch.data());
}

// A set of axes: bit i is axis i.
using AxisSet = std::uint32_t;

inline bool contains(AxisSet axes, std::size_t axis) { return (axes >> axis & 1U) != 0; }

// Reduces x over a set of its axes into out, whose elements are in x's order.
template <class S>
void reduce(typename Reductions<S>::Function f, const S* x, const Shape& shape, AxisSet axes, S* out) {
  // Adjacent axes of the same kind are merged; axes of size 1 are dropped.
  Shape size;
  AxisSet reduced = 0;
  bool before_reduced =
      false;  // not read from `reduced`: at -O1, GCC 12 miscompiles a comparison of two bits
  for (std::size_t axis = 0; axis < shape.size(); ++axis) {
    if (shape[axis] == 1) continue;
    const bool now_reduced = contains(axes, axis);
    if (!size.empty() && now_reduced == before_reduced) {
      size.back() *= shape[axis];
    } else {
      if (now_reduced) reduced |= AxisSet{1} << size.size();
      size.push_back(shape[axis]);
    }
    before_reduced = now_reduced;
  }
  if (reduced == 0) {
    std::copy_n(x, element_count(size), out);
    return;
  }
  // One pass per reduced axis, starting with the last, which leaves the least work to the others.
  std::optional<Tensor<S>>
      before;  // not made if one pass is enough: a tensor is the cost of a small reduction
  for (std::size_t axis = size.size(); axis-- > 0;) {
    if (!contains(reduced, axis)) continue;
    std::size_t outer = 1, inner = 1;
    for (std::size_t i = 0; i < axis; ++i) outer *= size[i];
    for (std::size_t i = axis + 1; i < size.size(); ++i) inner *= size[i];
    const std::size_t n = std::exchange(size[axis], 1);
    reduced &= ~(AxisSet{1} << axis);
    if (reduced == 0) {
      reduce_axis(f, x, outer, n, inner, out);
      return;
    }
    Tensor<S> after(Shape{outer * inner});
    reduce_axis(f, x, outer, n, inner, after.data());
    before = std::move(after);
    x = before->data();
  }
}

}  // namespace unroll::kernel
