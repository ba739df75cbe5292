// SIMD loops over contiguous spans. Internal: included only by .cpp files, mainly those in simd/.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

#include "framework/kernels/activations.hpp"
#include "framework/kernels/batch.hpp"
#include "framework/kernels/exp.hpp"

namespace unroll::kernel::UNROLL_ISA {

// Returns the first n elements of a batch; the rest repeats the last of them. Element by element into a
// register: a copy in memory would wait for its narrow stores.
template <class S>
Batch<S> load_padded(const S* x, std::size_t n) {
  return [=]<std::size_t... k>(std::index_sequence<k...>) { return Batch<S>{x[k < n ? k : n - 1]...}; }
  (std::make_index_sequence<Batch<S>::size>{});
}

template <class S>
void store_part(const Batch<S>& v, S* y, std::size_t n) {
  S lanes[Batch<S>::size];
  v.store_unaligned(lanes);
  for (std::size_t k = 0; k < n; ++k) y[k] = lanes[k];
}

#if defined(__AVX2__) && !defined(__AVX512F__)
// Returns a mask of the first count lanes.
template <class Int>
__m256i first_lanes(std::size_t count) {
  alignas(64) static constexpr auto kOnes = [] {
    struct {
      Int value[64 / sizeof(Int)];
    } ones{};
    for (std::size_t k = 0; k < 32 / sizeof(Int); ++k) ones.value[k] = -1;
    return ones;
  }();
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(kOnes.value + 32 / sizeof(Int) - count));
}
#endif

// Calls f on whole batches, also for the last few elements, so an element's value does not depend on its
// place in the buffer. The last batch overlaps the previous one, and is read first because y may be x; spans
// shorter than a batch are padded. f must be defined (any value) for the padding, which repeats the last
// element.
template <class S, class F>
[[gnu::always_inline]] inline void map(const S* x, S* y, std::size_t n, F&& f) {
  constexpr std::size_t kWidth = Batch<S>::size;
  if (n < kWidth) {
    if (n == 0) return;
    store_part<S>(f(n == 1 ? Batch<S>(*x) : load_padded(x, n)), y, n);
    return;
  }
  const auto last = Batch<S>::load_unaligned(x + n - kWidth);
  for (std::size_t i = 0; i < n - kWidth; i += kWidth)
    f(Batch<S>::load_unaligned(x + i)).store_unaligned(y + i);
  f(last).store_unaligned(y + n - kWidth);
}

// Does the same for two inputs.
template <class S, class F>
[[gnu::always_inline]] inline void map(const S* a, const S* b, S* y, std::size_t n, F&& f) {
  constexpr std::size_t kWidth = Batch<S>::size;
  if (n < kWidth) {
    if (n == 0) return;
    store_part<S>(n == 1 ? f(Batch<S>(*a), Batch<S>(*b)) : f(load_padded(a, n), load_padded(b, n)), y, n);
    return;
  }
  const auto last_a = Batch<S>::load_unaligned(a + n - kWidth),
             last_b = Batch<S>::load_unaligned(b + n - kWidth);
  for (std::size_t i = 0; i < n - kWidth; i += kWidth) {
    f(Batch<S>::load_unaligned(a + i), Batch<S>::load_unaligned(b + i)).store_unaligned(y + i);
  }
  f(last_a, last_b).store_unaligned(y + n - kWidth);
}

// Returns the first count elements from p, followed by zeros; does not touch the memory after them.
template <class S>
Batch<S> load_first(const S* p, std::size_t count) {
#if defined(__AVX512F__)
  if constexpr (std::is_same_v<S, float>) {
    return _mm512_maskz_loadu_ps(static_cast<__mmask16>((1U << count) - 1), p);
  } else {
    return _mm512_maskz_loadu_pd(static_cast<__mmask8>((1U << count) - 1), p);
  }
#elif defined(__AVX2__)
  if constexpr (std::is_same_v<S, float>) {
    return _mm256_maskload_ps(p, first_lanes<std::int32_t>(count));
  } else {
    return _mm256_maskload_pd(p, first_lanes<std::int64_t>(count));
  }
#else
  S padded[Batch<S>::size] = {};
  for (std::size_t k = 0; k < count; ++k) padded[k] = p[k];
  return Batch<S>::load_unaligned(padded);
#endif
}

template <class S>
void store_first(const Batch<S>& v, S* p, std::size_t count) {
#if defined(__AVX512F__)
  if constexpr (std::is_same_v<S, float>) {
    _mm512_mask_storeu_ps(p, static_cast<__mmask16>((1U << count) - 1), v);
  } else {
    _mm512_mask_storeu_pd(p, static_cast<__mmask8>((1U << count) - 1), v);
  }
#elif defined(__AVX2__)
  if constexpr (std::is_same_v<S, float>) {
    _mm256_maskstore_ps(p, first_lanes<std::int32_t>(count), v);
  } else {
    _mm256_maskstore_pd(p, first_lanes<std::int64_t>(count), v);
  }
#else
  store_part(v, p, count);
#endif
}

// Does the same for a count that is often a whole batch.
template <class S>
Batch<S> load_up_to(const S* p, std::size_t count) {
  return count == Batch<S>::size ? Batch<S>::load_unaligned(p) : load_first(p, count);
}
template <class S>
void store_up_to(const Batch<S>& v, S* p, std::size_t count) {
  if (count == Batch<S>::size) {
    v.store_unaligned(p);
  } else {
    store_first(v, p, count);
  }
}

// Up to one batch of consecutive elements; loads beyond count give zeros and stores beyond it are dropped, so
// fused kernels need no scalar copy for the last few elements.
template <class S, bool kFull>
struct Lanes {
  std::size_t at, count;
  Batch<S> load(const S* p) const {
    if constexpr (kFull) {
      return Batch<S>::load_unaligned(p + at);
    } else {
      return load_first(p + at, count);
    }
  }
  void store(S* p, const Batch<S>& v) const {
    if constexpr (kFull) {
      v.store_unaligned(p + at);
    } else {
      store_first(v, p + at, count);
    }
  }
};

// Calls f(lanes) for first..last in steps of one batch.
template <class S, class F>
[[gnu::always_inline]] inline void for_lanes(std::size_t first, std::size_t last, F&& f) {
  constexpr std::size_t kWidth = Batch<S>::size;
  std::size_t i = first;
  for (; i + kWidth <= last; i += kWidth) f(Lanes<S, true>{i, kWidth});
  if (i < last) f(Lanes<S, false>{i, last - i});
}
template <class S, class F>
[[gnu::always_inline]] inline void for_lanes(std::size_t n, F&& f) {
  for_lanes<S>(0, n, std::forward<F>(f));
}

}  // namespace unroll::kernel::UNROLL_ISA

namespace unroll::kernel {
using namespace UNROLL_ISA;
}
