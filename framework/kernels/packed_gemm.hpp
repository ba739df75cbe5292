// Matrix products whose right factor is packed once and used many times, as the weights of a time loop are.
// Internal: included by kernel files only.
#pragma once

#include <algorithm>
#include <cstddef>

#include "framework/kernels/simd.hpp"

namespace unroll::kernel::UNROLL_ISA {

// A panel is this many columns of the packed matrix, row by row without gaps; the last one is filled up with
// zeros.
template <class S>
inline constexpr std::size_t kPanel = 2 * Batch<S>::size;

// Numbers that a packed (k,n) takes.
template <class S>
constexpr std::size_t packed_size(std::size_t k, std::size_t n) noexcept {
  return (n + kPanel<S> - 1) / kPanel<S> * kPanel<S> * k;
}

// Packs (k,n): element (p,j) is b[p * row + j * column].
template <class S>
void pack(std::size_t k, std::size_t n, const S* b, std::size_t row, std::size_t column, S* out) noexcept {
  for (std::size_t j = 0; j < n; j += kPanel<S>, out += k * kPanel<S>) {
    const std::size_t width = std::min(kPanel<S>, n - j);
    const S* from = b + j * column;
    if (width < kPanel<S>) std::fill_n(out, k * kPanel<S>, S(0));
    if (column == 1 && width == kPanel<S>) {
      for (std::size_t p = 0; p < k; ++p) {
        for (std::size_t t = 0; t < kPanel<S>; t += Batch<S>::size) {
          Batch<S>::load_unaligned(from + p * row + t).store_unaligned(out + p * kPanel<S> + t);
        }
      }
    } else {
      for (std::size_t t = 0; t < width; ++t) {
        for (std::size_t p = 0; p < k; ++p) out[p * kPanel<S> + t] = from[p * row + t * column];
      }
    }
  }
}

// C (m,n; row stride ldc) = A (m,k) B, or += with accumulate; element (i,p) of A is a[i * a_row + p *
// a_column]. Every element is summed in the order of k whatever m is, so that a row's result does not depend
// on the rows beside it; only the row of a batch of one may be summed in several parts, which keep the
// multipliers busy.
template <class S>
struct PackedGemm {
  std::size_t m, n, k;
  const S* a;
  std::size_t a_row, a_column;
  const S* packed;
  bool accumulate;
  S* c;
  std::size_t ldc;
  bool alone = false;  // m is 1 because the batch is

  void run() const {
    // A panel's share of k stays in the first-level cache, the rows of A in the second.
    constexpr std::size_t kDepth = 16384 / (kPanel<S> * sizeof(S)), kRows = 96;
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

 private:
  using V = Batch<S>;
  static constexpr std::size_t kWidth = V::size;
#if defined(__AVX512F__)
  static constexpr std::size_t kTile = 12;  // 24 sums, 2 columns and a factor in 32 registers
#else
  static constexpr std::size_t kTile = 6;  // 12 sums, 2 columns and a factor in 16 registers
#endif

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

  // Up to three rows: several panels side by side, since one has too few independent sums.
  void few_rows(std::size_t i, std::size_t rows, std::size_t p, std::size_t depth) const {
    constexpr std::size_t kWide = 4;
    std::size_t j = 0;
    if (rows == 1) {
      for (; alone && n - j <= kPanel<S> && j < n; j += kPanel<S>) dot(i, j, p, depth);
      for (; j + kWide * kPanel<S> <= n; j += kWide * kPanel<S>) tile<1, 2 * kWide>(i, j, p, depth);
    }
    for (; j + 2 * kPanel<S> <= n; j += 2 * kPanel<S>) panels<3, 2>(rows, i, j, p, depth);
    for (; j < n; j += kPanel<S>) panels<3, 1>(rows, i, j, p, depth);
  }

  // Up to M rows of P panels, of the last one only the half that has columns.
  template <std::size_t M, std::size_t P>
  void panels(std::size_t height, std::size_t i, std::size_t j, std::size_t p, std::size_t depth) const {
    if (P == 1 && n - j <= kWidth) {
      tile_of<M, 1>(height, i, j, p, depth);
    } else {
      tile_of<M, 2 * P>(height, i, j, p, depth);
    }
  }

  // One row of one panel in four parts of k.
  void dot(std::size_t i, std::size_t j, std::size_t p, std::size_t depth) const {
    constexpr std::size_t kParts = 4;
    V sum[kParts][2];
    for (auto& part : sum) part[0] = part[1] = V(S(0));
    const S* x = a + i * a_row + p * a_column;
    const S* y = packed + j * k + p * kPanel<S>;
    const auto step = [&](std::size_t q, std::size_t part) {
      const V factor(x[q * a_column]);
      for (std::size_t t = 0; t < 2; ++t) {
        sum[part][t] = xsimd::fma(factor, V::load_unaligned(y + q * kPanel<S> + t * kWidth), sum[part][t]);
      }
    };
    std::size_t q = 0;
    for (; q + kParts <= depth; q += kParts) {
      for (std::size_t part = 0; part < kParts; ++part) step(q + part, part);
    }
    for (; q < depth; ++q) step(q, 0);
    S total[2 * kWidth];
    for (std::size_t t = 0; t < 2; ++t) {
      ((sum[0][t] + sum[1][t]) + (sum[2][t] + sum[3][t])).store_unaligned(total + t * kWidth);
    }
    S* out = c + i * ldc + j;
    const bool add = accumulate || p > 0;
    for (std::size_t t = 0; t < n - j && t < kPanel<S>; ++t) out[t] = add ? out[t] + total[t] : total[t];
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

  // M rows, N vectors wide.
  template <std::size_t M, std::size_t N>
  void tile(std::size_t i, std::size_t j, std::size_t p, std::size_t depth) const {
    V sum[M][N];
    const bool add = accumulate || p > 0, whole = j + N * kWidth <= n;
    S* out = c + i * ldc + j;
    S edge[M * N * kWidth];
    S* to = out;
    std::size_t stride = ldc;
    if (!whole) {
      to = edge;
      stride = N * kWidth;
      const std::size_t width = n - j;
      for (std::size_t r = 0; r < M; ++r) {
        for (std::size_t t = 0; t < stride; ++t)
          edge[r * stride + t] = t < width && add ? out[r * ldc + t] : S(0);
      }
    }
    for (std::size_t r = 0; r < M; ++r) {
      for (std::size_t t = 0; t < N; ++t) {
        sum[r][t] = add ? V::load_unaligned(to + r * stride + t * kWidth) : V(S(0));
      }
    }
    const S* x = a + i * a_row + p * a_column;
    const S* y = packed + j * k + p * kPanel<S>;
    const std::size_t row = a_row, step = a_column, next = k * kPanel<S>;
    for (std::size_t q = 0; q < depth; ++q, x += step, y += kPanel<S>) {
      V b[N];
      for (std::size_t t = 0; t < N; ++t) b[t] = V::load_unaligned(y + t / 2 * next + t % 2 * kWidth);
      for (std::size_t r = 0; r < M; ++r) {
        const V factor(x[r * row]);
        for (std::size_t t = 0; t < N; ++t) sum[r][t] = xsimd::fma(factor, b[t], sum[r][t]);
      }
    }
    for (std::size_t r = 0; r < M; ++r) {
      for (std::size_t t = 0; t < N; ++t) sum[r][t].store_unaligned(to + r * stride + t * kWidth);
    }
    if (!whole) {
      for (std::size_t r = 0; r < M; ++r) std::copy_n(edge + r * stride, n - j, out + r * ldc);
    }
  }
};

}  // namespace unroll::kernel::UNROLL_ISA
