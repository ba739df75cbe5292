// Sums and extrema over contiguous runs and rows. Internal to simd/.
#pragma once

#include <limits>

#include "framework/kernels/reduce.hpp"
#include "framework/kernels/simd.hpp"

namespace unroll::kernel::UNROLL_ISA {

// The operations; T is S or Batch<S>.
template <class S>
struct Add {
  static constexpr S identity = S(0);
  template <class T>
  static T combine(const T& a, const T& b) {
    return a + b;
  }
};
// The larger of two; NaN in either gives NaN (tested with isnan, because xsimd 8 says that NaN != NaN is
// false).
template <class S>
struct Larger {
  static constexpr S identity = -std::numeric_limits<S>::infinity();
  static S combine(S a, S b) { return a > b || a != a ? a : b; }
  static Batch<S> combine(const Batch<S>& a, const Batch<S>& b) {
    return xsimd::select((a > b) | xsimd::isnan(a), a, b);
  }
};
template <class S>
struct Smaller {
  static constexpr S identity = std::numeric_limits<S>::infinity();
  static S combine(S a, S b) { return a < b || a != a ? a : b; }
  static Batch<S> combine(const Batch<S>& a, const Batch<S>& b) {
    return xsimd::select((a < b) | xsimd::isnan(a), a, b);
  }
};

// Combines load(0) ... load(n-1) in four chains. The order depends only on n, so a column gives the same bits
// in a batch and on its own.
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

// Combines n contiguous elements. Long runs are halved (pairwise summation), so that the error of a sum grows
// with log n.
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

// x (n, inner) -> out (inner). scratch holds one row for every halving of n down to kLeafRows.
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
void reduce_axis(const S* x, std::size_t outer, std::size_t n, std::size_t inner, S* out,
                 S* scratch) noexcept {
  for (std::size_t i = 0; i < outer; ++i) {
    if (inner == 1) {
      out[i] = reduce_run<Op>(x + i * n, n);
    } else {
      reduce_rows<Op>(x + i * n * inner, n, inner, out + i * inner, scratch);
    }
  }
}

}  // namespace unroll::kernel::UNROLL_ISA
