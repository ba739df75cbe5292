#include "framework/kernels/small_gemm.hpp"

#include <type_traits>

#include "framework/kernels/simd.hpp"

namespace unroll::kernel::UNROLL_ISA {
namespace {

// W adjacent elements: a batch, a plain number for W = 1, void if the machine has no such width.
template <class S, std::size_t W>
struct VectorOf {
  using type = xsimd::make_sized_batch_t<S, W>;
};
template <class S>
struct VectorOf<S, 1> {
  using type = S;
};
template <class S, std::size_t W>
using Vector = typename VectorOf<S, W>::type;

template <class V, class S>
V load_lanes(const S* x) {
  if constexpr (std::is_same_v<V, S>) {
    return *x;
  } else {
    return V::load_unaligned(x);
  }
}
template <class V, class S>
void store_lanes(const V& v, S* x) {
  if constexpr (std::is_same_v<V, S>) {
    *x = v;
  } else {
    v.store_unaligned(x);
  }
}

template <class S>
struct Loops : Product<S> {
  using Product<S>::m, Product<S>::n, Product<S>::k, Product<S>::alpha, Product<S>::a, Product<S>::a_row,
      Product<S>::a_column, Product<S>::b, Product<S>::ldb, Product<S>::beta, Product<S>::c, Product<S>::ldc;

  // B as stored: each of its rows is added to the rows of C, which stay in registers.
  void plain() const { panels<Batch<S>::size>(0); }

  // B transposed and the rows of op(A) contiguous: every element of C is a dot product.
  void dots() const {
    for (std::size_t i = 0; beta != S(1) && i < m; ++i) {
      for (std::size_t j = 0; j < n; ++j) c[i * ldc + j] = beta == S(0) ? S(0) : beta * c[i * ldc + j];
    }
    chunks<kDotWidth>(0);
  }

 private:
  // xsimd 8's haddp of 16 floats adds the wrong lanes.
  static constexpr std::size_t kDotWidth = Batch<S>::size < 8 ? Batch<S>::size : 8;

  // Rows i ... i+M-1 of C, N times the width of V columns from j on.
  template <class V, std::size_t W, std::size_t M, std::size_t N>
  void tile(std::size_t i, std::size_t j) const {
    const Product<S> g = *this;  // a copy, which the stores below cannot alias
    V sum[M * N];
    for (V& v : sum) v = V(S(0));
    const S* x = g.a + i * g.a_row;
    const S* y = g.b + j;
    for (std::size_t p = 0; p < g.k; ++p, x += g.a_column, y += g.ldb) {
      V row[N];
      for (std::size_t t = 0; t < N; ++t) row[t] = load_lanes<V>(y + t * W);
      for (std::size_t r = 0; r < M; ++r) {
        const V factor(x[r * g.a_row]);
        for (std::size_t t = 0; t < N; ++t) sum[r * N + t] += factor * row[t];
      }
    }
    S* out = g.c + i * g.ldc + j;
    for (std::size_t r = 0; r < M; ++r, out += g.ldc) {
      for (std::size_t t = 0; t < N; ++t) {
        V product = sum[r * N + t] * g.alpha;
        if (g.beta != S(0)) product += load_lanes<V>(out + t * W) * g.beta;
        store_lanes<V>(product, out + t * W);
      }
    }
  }

  // All columns from j on: as many as possible with the widest vectors, the rest with ever narrower ones.
  template <std::size_t W>
  void panels(std::size_t j) const {
    using V = Vector<S, W>;
    if constexpr (!std::is_void_v<V>) {
      // Four independent sums keep the multipliers busy: of one row, or of four.
      if (m < 4) {
        for (; j + 4 * W <= n; j += 4 * W) {
          for (std::size_t i = 0; i < m; ++i) tile<V, W, 1, 4>(i, j);
        }
      }
      for (; j + W <= n; j += W) {
        std::size_t i = 0;
        for (; i + 4 <= m; i += 4) tile<V, W, 4, 1>(i, j);
        for (; i < m; ++i) tile<V, W, 1, 1>(i, j);
      }
    }
    if constexpr (W > 1) panels<W / 2>(j);
  }

  // Adds the part of the dot products from p on: whole vectors of the widest kind, the rest with narrower
  // ones.
  template <std::size_t W>
  void chunks(std::size_t p) const {
    using V = Vector<S, W>;
    if constexpr (W == 1) {
      for (; p < k; ++p) {
        for (std::size_t i = 0; i < m; ++i) {
          const S factor = alpha * a[i * a_row + p];
          for (std::size_t j = 0; j < n; ++j) c[i * ldc + j] += factor * b[j * ldb + p];
        }
      }
    } else {
      if constexpr (!std::is_void_v<V>) {
        const std::size_t end = p + (k - p) / W * W;
        if (end > p) {
          for (std::size_t i = 0; i < m; ++i) dot_row<V, W>(i, p, end);
          p = end;
        }
      }
      chunks<W / 2>(p);
    }
  }

  template <class V, std::size_t W>
  void dot_row(std::size_t i, std::size_t begin, std::size_t end) const {
    const S* x = a + i * a_row;
    S* out = c + i * ldc;
    const auto dot = [&](std::size_t j) {
      V sum = V::load_unaligned(x + begin) * V::load_unaligned(b + j * ldb + begin);
      for (std::size_t p = begin + W; p < end; p += W) {
        sum += V::load_unaligned(x + p) * V::load_unaligned(b + j * ldb + p);
      }
      return sum;
    };
    // The lanes of W dot products are summed together.
    std::size_t j = 0;
    for (; j + W <= n; j += W) {
      V sum[W];
      for (std::size_t t = 0; t < W; ++t) sum[t] = dot(j + t);
      (V::load_unaligned(out + j) + xsimd::haddp(sum) * alpha).store_unaligned(out + j);
    }
    for (; j < n; ++j) out[j] += xsimd::hadd(dot(j)) * alpha;
  }
};

template <class S>
constexpr SmallGemm<S> small_gemm_functions() {
  return {.plain = [](const Product<S>& product) noexcept { Loops<S>{product}.plain(); },
          .dots = [](const Product<S>& product) noexcept { Loops<S>{product}.dots(); }};
}

}  // namespace

constinit const ForScalars<SmallGemm> small_gemm_table{small_gemm_functions<float>(),
                                                       small_gemm_functions<double>()};

}  // namespace unroll::kernel::UNROLL_ISA
