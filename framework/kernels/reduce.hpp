// Reductions over contiguous tensors. Internal: included by .cpp files only.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <type_traits>
#include <utility>
#include <vector>

#include "framework/kernels/simd.hpp"
#include "framework/tensor.hpp"

namespace unroll::kernel {

// What to combine with what; T is S or Batch<S>.
template <class S>
struct Add {
  static constexpr S identity = S(0);
  template <class T>
  static T combine(const T& a, const T& b) {
    return a + b;
  }
};
// The larger of two; NaN in either gives NaN (asked for with isnan: xsimd 8 finds NaN != NaN false).
template <class S>
struct Larger {
  static constexpr S identity = -std::numeric_limits<S>::infinity();
  template <class T>
  static T combine(const T& a, const T& b) {
    if constexpr (std::is_same_v<T, S>) {
      return a > b || a != a ? a : b;
    } else {
      return xsimd::select((a > b) | xsimd::isnan(a), a, b);
    }
  }
};
template <class S>
struct Smaller {
  static constexpr S identity = std::numeric_limits<S>::infinity();
  template <class T>
  static T combine(const T& a, const T& b) {
    if constexpr (std::is_same_v<T, S>) {
      return a < b || a != a ? a : b;
    } else {
      return xsimd::select((a < b) | xsimd::isnan(a), a, b);
    }
  }
};

// Combines load(0) ... load(n-1) in four chains. The order depends on n alone, so a column gives the same
// bits whether it is read as part of a batch or by itself.
template <class Op, class T, class Load>
T fold(std::size_t n, Load&& load) {
  T a(Op::identity), b(Op::identity), c(Op::identity), d(Op::identity);
  std::size_t i = 0;
  for (; i + 4 <= n; i += 4) {
    a = Op::combine(a, T(load(i)));
    b = Op::combine(b, T(load(i + 1)));
    c = Op::combine(c, T(load(i + 2)));
    d = Op::combine(d, T(load(i + 3)));
  }
  for (; i < n; ++i) a = Op::combine(a, T(load(i)));
  return Op::combine(Op::combine(a, b), Op::combine(c, d));
}

// The combination of n contiguous elements. Long runs are halved (pairwise summation), so that the error of a
// sum grows with log n.
template <class Op, class S>
S reduce_run(const S* x, std::size_t n) {
  constexpr std::size_t kLeaf = 1024;
  constexpr std::size_t kWidth = Batch<S>::size;
  if (n > kLeaf) {
    const std::size_t half = n / 2 / kWidth * kWidth;
    const S first = reduce_run<Op>(x, half);
    return Op::combine(first, reduce_run<Op>(x + half, n - half));
  }
  const std::size_t batches = n / kWidth;
  const S* tail = x + batches * kWidth;
  const S rest = fold<Op, S>(n - batches * kWidth, [tail](std::size_t i) { return tail[i]; });
  if (batches == 0) return rest;
  S lanes[kWidth];
  fold<Op, Batch<S>>(batches, [x](std::size_t i) {
    return Batch<S>::load_unaligned(x + i * kWidth);
  }).store_unaligned(lanes);
  for (std::size_t step = kWidth / 2; step > 0; step /= 2) {
    for (std::size_t k = 0; k < step; ++k) lanes[k] = Op::combine(lanes[k], lanes[k + step]);
  }
  return Op::combine(lanes[0], rest);
}

// Rows that are combined in registers, column by column; few enough for the first level of the address cache.
inline constexpr std::size_t kLeafRows = 64;

// x (n, inner) -> out (inner). scratch holds one row for every time that n must be halved to reach kLeafRows.
template <class Op, class S>
void reduce_rows(const S* x, std::size_t n, std::size_t inner, S* out, S* scratch) {
  if (n > kLeafRows) {
    const std::size_t half = n / 2;
    reduce_rows<Op>(x, half, inner, out, scratch);
    reduce_rows<Op>(x + half * inner, n - half, inner, scratch, scratch + inner);
    map(out, scratch, out, inner, [](const Batch<S>& a, const Batch<S>& b) { return Op::combine(a, b); });
    return;
  }
  std::size_t j = 0;
  for (; j + Batch<S>::size <= inner; j += Batch<S>::size) {
    fold<Op, Batch<S>>(n, [=](std::size_t i) {
      return Batch<S>::load_unaligned(x + i * inner + j);
    }).store_unaligned(out + j);
  }
  for (; j < inner; ++j) out[j] = fold<Op, S>(n, [=](std::size_t i) { return x[i * inner + j]; });
}

// x (outer, n, inner) -> out (outer, inner). No elements (n = 0) give Op's identity.
template <class Op, class S>
void reduce_axis(const S* x, std::size_t outer, std::size_t n, std::size_t inner, S* out) {
  if (inner == 1) {
    for (std::size_t i = 0; i < outer; ++i) out[i] = reduce_run<Op>(x + i * n, n);
    return;
  }
  std::size_t halvings = 0;
  for (std::size_t rows = n; rows > kLeafRows; rows -= rows / 2) ++halvings;
  std::vector<S> scratch(halvings * inner);
  for (std::size_t i = 0; i < outer; ++i) {
    reduce_rows<Op>(x + i * n * inner, n, inner, out + i * inner, scratch.data());
  }
}

// A set of axes: bit i is axis i.
using AxisSet = std::uint32_t;

inline bool contains(AxisSet axes, std::size_t axis) { return (axes >> axis & 1U) != 0; }

// Reduces x over a set of its axes into out, whose elements stand in x's order.
template <class Op, class S>
void reduce(const S* x, const Shape& shape, AxisSet axes, S* out) {
  // Neighbouring axes of the same kind are one; those of size 1 are none.
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
  // One pass per reduced axis, from the last, which leaves the least to the others.
  Tensor<S> before;
  for (std::size_t axis = size.size(); axis-- > 0;) {
    if (!contains(reduced, axis)) continue;
    std::size_t outer = 1, inner = 1;
    for (std::size_t i = 0; i < axis; ++i) outer *= size[i];
    for (std::size_t i = axis + 1; i < size.size(); ++i) inner *= size[i];
    const std::size_t n = std::exchange(size[axis], 1);
    reduced &= ~(AxisSet{1} << axis);
    if (reduced == 0) {
      reduce_axis<Op>(x, outer, n, inner, out);
      return;
    }
    Tensor<S> after(Shape{outer * inner});
    reduce_axis<Op>(x, outer, n, inner, after.data());
    before = std::move(after);
    x = before.data();
  }
}

}  // namespace unroll::kernel
