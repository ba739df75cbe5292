// Matrix products with a right factor that is packed once and used many times, like the weights of a time
// loop. Internal: included only by kernel files.
#pragma once

#include <algorithm>
#include <cstddef>

#include "framework/kernels/packing.hpp"
#include "framework/kernels/simd.hpp"

namespace unroll::kernel::UNROLL_ISA {

// The columns of a panel. In a packed panel rows follow each other without gaps; the last panel is padded
// with zeros.
template <class S>
inline constexpr std::size_t kPanel = 2 * Batch<S>::size;

// The columns of a packed panel: a matrix that fits one register has no second half.
template <class S>
constexpr std::size_t packed_width(std::size_t n) noexcept {
  return n <= Batch<S>::size ? Batch<S>::size : kPanel<S>;
}

// Returns the number of elements of a packed (k,n).
template <class S>
constexpr std::size_t packed_size(std::size_t k, std::size_t n) noexcept {
  const std::size_t width = packed_width<S>(n);
  return (n + width - 1) / width * width * k;
}

template <class S>
Panels<S> in_place(std::size_t k, std::size_t n, const S* b) noexcept {
  constexpr std::size_t kLargest = 16384 / sizeof(S);  // half a first-level cache
  return n % Batch<S>::size == 0 && k * n <= kLargest ? Panels<S>{b, n, kPanel<S>} : Panels<S>{};
}

#if defined(__SSE2__)
// Transposes a block of 16 bytes by 16 bytes.
inline void transpose_block(const float* from, std::size_t from_stride, float* to, std::size_t to_stride) {
  __m128 a = _mm_loadu_ps(from), b = _mm_loadu_ps(from + from_stride),
         c = _mm_loadu_ps(from + 2 * from_stride), d = _mm_loadu_ps(from + 3 * from_stride);
  _MM_TRANSPOSE4_PS(a, b, c, d);
  _mm_storeu_ps(to, a);
  _mm_storeu_ps(to + to_stride, b);
  _mm_storeu_ps(to + 2 * to_stride, c);
  _mm_storeu_ps(to + 3 * to_stride, d);
}
inline void transpose_block(const double* from, std::size_t from_stride, double* to, std::size_t to_stride) {
  const __m128d a = _mm_loadu_pd(from), b = _mm_loadu_pd(from + from_stride);
  _mm_storeu_pd(to, _mm_unpacklo_pd(a, b));
  _mm_storeu_pd(to + to_stride, _mm_unpackhi_pd(a, b));
}
template <class S>
inline constexpr std::size_t kBlock = 16 / sizeof(S);
#else
template <class S>
void transpose_block(const S* from, std::size_t, S* to, std::size_t) {
  *to = *from;
}
template <class S>
inline constexpr std::size_t kBlock = 1;
#endif

// Returns the columns from j on, where a panel starts.
template <class S>
Panels<S> columns_from(std::size_t j, const Panels<S>& b) noexcept {
  return {b.numbers + j / kPanel<S> * b.panel, b.row, b.panel};
}

// Packs (k,n): element (p,j) is b[p * row + j * column].
template <class S>
Panels<S> pack(std::size_t k, std::size_t n, const S* b, std::size_t row, std::size_t column,
               S* out) noexcept {
  constexpr std::size_t kWidth = Batch<S>::size;
  const std::size_t step = packed_width<S>(n);
  const Panels<S> panels{out, step, k * step};
  for (std::size_t j = 0; j < n; j += step, out += k * step) {
    const std::size_t width = std::min(step, n - j);
    const S* from = b + j * column;
    if (column == 1) {
      const std::size_t first = std::min(width, kWidth);
      for (std::size_t p = 0; p < k; ++p) {
        S* to = out + p * step;
        load_up_to(from + p * row, first).store_unaligned(to);
        if (step > kWidth) load_up_to(from + p * row + first, width - first).store_unaligned(to + kWidth);
      }
      continue;
    }
    if (width < step) std::fill_n(out, k * step, S(0));
    std::size_t t = 0;
    if (row == 1) {
      for (; t + kBlock<S> <= width; t += kBlock<S>) {
        std::size_t p = 0;
        for (; p + kBlock<S> <= k; p += kBlock<S>)
          transpose_block(from + t * column + p, column, out + p * step + t, step);
        for (; p < k; ++p) {
          for (std::size_t u = t; u < t + kBlock<S>; ++u) out[p * step + u] = from[p + u * column];
        }
      }
    }
    for (; t < width; ++t) {
      for (std::size_t p = 0; p < k; ++p) out[p * step + t] = from[p * row + t * column];
    }
  }
  return panels;
}

#if defined(__AVX512F__)
inline constexpr bool kManyRegisters = true;  // 32
#else
inline constexpr bool kManyRegisters = false;  // 16
#endif

// f(first) + ... + f(first+Count-1), as a binary tree. Unrolled here, so that the inputs of f stay in
// registers.
template <class V, std::size_t Count, class F>
V sum_of(const F& f, std::size_t first = 0) {
  if constexpr (Count == 1) {
    return f(first);
  } else {
    return sum_of<V, Count / 2>(f, first) + sum_of<V, Count / 2>(f, first + Count / 2);
  }
}

// C (m,n; row stride ldc) = A (m,k) B, or += with accumulate; element (i,p) of A is a[i * a_row + p *
// a_column]. Every element is summed in the order of k for any m, so a row's result does not depend on the
// other rows. Only the row of a batch of one may be summed in several parts, to keep the multipliers busy.
template <class S>
struct PackedGemm {
  std::size_t m, n, k;
  const S* a;
  std::size_t a_row, a_column;
  const Panels<S>& b;
  bool accumulate;
  S* c;
  std::size_t ldc;
  std::size_t batch = 0;  // B, the sequences of these rows, including ended ones; 0: other rows

  void run() const {
    if (is_alone() && n <= kWidth && k <= kDepth && k > 0) return dot<1>(0, 0, 0, k);
    run_blocks();
  }

 private:
  // Only a batch of one is summed in another order; after its sequence's end m is 0.
  bool is_alone() const { return m == 1 && batch == 1; }

  using V = Batch<S>;
  static constexpr std::size_t kWidth = V::size;
  // A panel's share of k stays in the first-level cache, the rows of A in the second.
  static constexpr std::size_t kDepth = 16384 / (kPanel<S> * sizeof(S)), kRows = 96;
  static constexpr std::size_t kTile = kManyRegisters ? 12 : 6;  // twice as many sums, 2 columns and a factor

  void run_blocks() const {
    if (k == 0 && !accumulate) {
      for (std::size_t i = 0; i < m; ++i) std::fill_n(c + i * ldc, n, S(0));
    }
    for (std::size_t p = 0; p < k; p += kDepth) {
      const std::size_t depth = std::min(kDepth, k - p);
      for (std::size_t i = 0; i < m; i += kRows) {
        const std::size_t rows = std::min(kRows, m - i);
        if (rows < 4) {
          few_rows(i, rows, p, depth);
        } else {
          for (std::size_t j = 0; j < n; j += kPanel<S>) column(i, rows, j, p, depth);
        }
      }
    }
  }

  // Rows i ... i+rows-1 of one panel, in tiles of about equal height.
  void column(std::size_t i, std::size_t rows, std::size_t j, std::size_t p, std::size_t depth) const {
    std::size_t tiles = (rows + kTile - 1) / kTile;
    for (; tiles > 0; --tiles) {
      const std::size_t height = (rows + tiles - 1) / tiles;
      panels<kTile, 1>(height, i, j, p, depth);
      i += height;
      rows -= height;
    }
  }

  // Up to three rows: several panels side by side, because one has too few independent sums.
  void few_rows(std::size_t i, std::size_t rows, std::size_t p, std::size_t depth) const {
    constexpr std::size_t kWide = 4;
    std::size_t j = 0;
    if (rows == 1) {
      for (; j + kWide * kPanel<S> <= n; j += kWide * kPanel<S>) tile<1, 2 * kWide>(i, j, p, depth);
      if (is_alone()) {
        // As many vectors as have columns, four at most.
        for (; n - j > 3 * kWidth; j += std::min(4 * kWidth, n - j)) dot<4>(i, j, p, depth);
        for (; n - j > kWidth; j += std::min(2 * kWidth, n - j)) dot<2>(i, j, p, depth);
        if (j < n) dot<1>(i, j, p, depth);
        return;
      }
    }
    for (; j + 2 * kPanel<S> <= n; j += 2 * kPanel<S>) panels<3, 2>(rows, i, j, p, depth);
    for (; j < n; j += kPanel<S>) panels<3, 1>(rows, i, j, p, depth);
  }

  // Up to M rows of P panels; of the last panel only the half that has columns.
  template <std::size_t M, std::size_t P>
  void panels(std::size_t height, std::size_t i, std::size_t j, std::size_t p, std::size_t depth) const {
    if (P == 1 && n - j <= kWidth) {
      tile_of<M, 1>(height, i, j, p, depth);
    } else {
      tile_of<M, 2 * P>(height, i, j, p, depth);
    }
  }

  // Returns the panel that starts at column j, from row p on.
  const S* rows_from(std::size_t j, std::size_t p) const {
    return b.numbers + j / kPanel<S> * b.panel + p * b.row;
  }

  // Columns of the last of N vectors from column j on.
  template <std::size_t N>
  std::size_t last_columns(std::size_t j) const {
    return std::min(kWidth, n - j - (N - 1) * kWidth);
  }

  // One row, N vectors wide, in as many parts of k as give eight sums at once.
  template <std::size_t N>
  void dot(std::size_t i, std::size_t j, std::size_t p, std::size_t depth) const {
    constexpr std::size_t kParts = 8 / N;
    if (depth < kParts) return tile<1, N>(i, j, p, depth);
    V sum[kParts][N];
    const S* x = a + i * a_row + p * a_column;
    const S* y = rows_from(j, p);
    const auto number = [&](std::size_t q, std::size_t t) {
      return V::load_unaligned(y + t / 2 * b.panel + q * b.row + t % 2 * kWidth);
    };
    const auto add_product = [&](std::size_t q, std::size_t part) {
      const V factor(x[q * a_column]);
      for (std::size_t t = 0; t < N; ++t) sum[part][t] = xsimd::fma(factor, number(q, t), sum[part][t]);
    };
    for (std::size_t part = 0; part < kParts; ++part) {
      const V factor(x[part * a_column]);
      for (std::size_t t = 0; t < N; ++t) sum[part][t] = factor * number(part, t);
    }
    std::size_t q = kParts;
    for (; q + kParts <= depth; q += kParts) {
      for (std::size_t part = 0; part < kParts; ++part) add_product(q + part, part);
    }
    for (; q < depth; ++q) add_product(q, 0);
    S* out = c + i * ldc + j;
    const bool add = accumulate || p > 0;
    for (std::size_t t = 0; t < N; ++t, out += kWidth) {
      const V total = sum_of<V, kParts>([&](std::size_t part) { return sum[part][t]; });
      const std::size_t count = t + 1 < N ? kWidth : last_columns<N>(j);
      store_up_to(add ? load_up_to(out, count) + total : total, out, count);
    }
  }

  template <std::size_t M, std::size_t N>
  void tile_of(std::size_t height, std::size_t i, std::size_t j, std::size_t p, std::size_t depth) const {
    if constexpr (M > 0) {
      if (height == M) {
        tile<M, N>(i, j, p, depth);
      } else {
        tile_of<M - 1, N>(height, i, j, p, depth);
      }
    }
  }

  // M rows, N vectors wide; the last vector may be partial.
  template <std::size_t M, std::size_t N>
  void tile(std::size_t i, std::size_t j, std::size_t p, std::size_t depth) const {
    V sum[M][N];
    const bool add = accumulate || p > 0;
    const std::size_t last = last_columns<N>(j);
    S* out = c + i * ldc + j;
    for (std::size_t r = 0; r < M; ++r) {
      for (std::size_t t = 0; t + 1 < N; ++t)
        sum[r][t] = add ? V::load_unaligned(out + r * ldc + t * kWidth) : V(S(0));
      sum[r][N - 1] = add ? load_up_to(out + r * ldc + (N - 1) * kWidth, last) : V(S(0));
    }
    const S* x = a + i * a_row + p * a_column;
    const S* y = rows_from(j, p);
    const std::size_t row = a_row, step = a_column, next = b.panel, b_row = b.row;
    for (std::size_t q = 0; q < depth; ++q, x += step, y += b_row) {
      V right[N];
      for (std::size_t t = 0; t < N; ++t) right[t] = V::load_unaligned(y + t / 2 * next + t % 2 * kWidth);
      for (std::size_t r = 0; r < M; ++r) {
        const V factor(x[r * row]);
        for (std::size_t t = 0; t < N; ++t) sum[r][t] = xsimd::fma(factor, right[t], sum[r][t]);
      }
    }
    for (std::size_t r = 0; r < M; ++r) {
      for (std::size_t t = 0; t + 1 < N; ++t) sum[r][t].store_unaligned(out + r * ldc + t * kWidth);
      store_up_to(sum[r][N - 1], out + r * ldc + (N - 1) * kWidth, last);
    }
  }
};

}  // namespace unroll::kernel::UNROLL_ISA
