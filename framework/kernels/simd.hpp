// SIMD loops over contiguous spans. Internal: included by .cpp files only, above all by those in simd/.
#pragma once

#include <cstddef>

#include "framework/kernels/batch.hpp"
#include "framework/kernels/exp.hpp"

namespace unroll::kernel::UNROLL_ISA {

// Calls f on a whole batch also for the last few elements, padded: so an element's value does not depend on
// its place in the buffer. f must be defined (any value) for padding, which repeats the last element.
template <class S, class F>
[[gnu::always_inline]] inline void map(const S* x, S* y, std::size_t n, F&& f) {
  constexpr std::size_t kWidth = Batch<S>::size;
  std::size_t i = 0;
  for (; i + kWidth <= n; i += kWidth) f(Batch<S>::load_unaligned(x + i)).store_unaligned(y + i);
  if (i < n) {
    S out[kWidth];
    if (n == i + 1) {
      f(Batch<S>(x[i])).store_unaligned(out);
      y[i] = out[0];
      return;
    }
    S in[kWidth];
    for (std::size_t k = 0; k < kWidth; ++k) in[k] = x[i + k < n ? i + k : n - 1];
    f(Batch<S>::load_unaligned(in)).store_unaligned(out);
    for (std::size_t k = 0; i + k < n; ++k) y[i + k] = out[k];
  }
}

// The same for two inputs.
template <class S, class F>
[[gnu::always_inline]] inline void map(const S* a, const S* b, S* y, std::size_t n, F&& f) {
  constexpr std::size_t kWidth = Batch<S>::size;
  std::size_t i = 0;
  for (; i + kWidth <= n; i += kWidth) {
    f(Batch<S>::load_unaligned(a + i), Batch<S>::load_unaligned(b + i)).store_unaligned(y + i);
  }
  if (i < n) {
    S out[kWidth];
    if (n == i + 1) {
      f(Batch<S>(a[i]), Batch<S>(b[i])).store_unaligned(out);
      y[i] = out[0];
      return;
    }
    S in_a[kWidth], in_b[kWidth];
    for (std::size_t k = 0; k < kWidth; ++k) {
      in_a[k] = a[i + k < n ? i + k : n - 1];
      in_b[k] = b[i + k < n ? i + k : n - 1];
    }
    f(Batch<S>::load_unaligned(in_a), Batch<S>::load_unaligned(in_b)).store_unaligned(out);
    for (std::size_t k = 0; i + k < n; ++k) y[i + k] = out[k];
  }
}

// Up to one batch of consecutive elements; loads beyond count give zeros and stores beyond it are dropped, so
// that fused kernels need no scalar copy of themselves for the last few elements.
template <class S, bool kFull>
struct Lanes {
  std::size_t at, count;
  Batch<S> load(const S* p) const {
    if constexpr (kFull) {
      return Batch<S>::load_unaligned(p + at);
    } else {
      S padded[Batch<S>::size] = {};
      for (std::size_t k = 0; k < count; ++k) padded[k] = p[at + k];
      return Batch<S>::load_unaligned(padded);
    }
  }
  void store(S* p, const Batch<S>& v) const {
    if constexpr (kFull) {
      v.store_unaligned(p + at);
    } else {
      S padded[Batch<S>::size];
      v.store_unaligned(padded);
      for (std::size_t k = 0; k < count; ++k) p[at + k] = padded[k];
    }
  }
};

// Calls f(lanes) for 0..n in steps of one batch.
template <class S, class F>
void for_lanes(std::size_t n, F&& f) {
  constexpr std::size_t kWidth = Batch<S>::size;
  std::size_t i = 0;
  for (; i + kWidth <= n; i += kWidth) f(Lanes<S, true>{i, kWidth});
  if (i < n) f(Lanes<S, false>{i, n - i});
}

// 1 / (1 + exp(-x)); the same code for every kernel that needs it. 0 below -88.7 (float) and -709.7, where
// exp(-x) overflows and the result would be subnormal.
template <class S>
Batch<S> sigmoid(const Batch<S>& x) {
  return S(1) / (S(1) + exp<S>(-x));
}

}  // namespace unroll::kernel::UNROLL_ISA

namespace unroll::kernel {
using namespace UNROLL_ISA;
}
