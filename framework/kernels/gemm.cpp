#include "framework/kernels/gemm.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>

#include "framework/errors.hpp"
#include "framework/kernels/blas.hpp"
#include "framework/kernels/packed.hpp"
#include "framework/kernels/small_gemm.hpp"

namespace unroll {
namespace kernel {
namespace {

// The number of multiplications up to which a product is computed here: a BLAS call costs more, above all for
// a few rows.
constexpr std::size_t kSmall = 1024;
constexpr std::size_t kSmallFewRows = 8192;

template <class S>
void scale(S beta, S* c, std::size_t n) {
  if (beta == S(1)) return;
  if (beta == S(0)) {
    for (std::size_t j = 0; j < n; ++j) c[j] = S(0);
  } else {
    for (std::size_t j = 0; j < n; ++j) c[j] *= beta;
  }
}

// Products of a few elements, where choosing a kernel would cost more than the product.
constexpr std::size_t kTiny = 16;

template <class S>
void tiny(bool transpose_a, bool transpose_b, std::size_t m, std::size_t n, std::size_t k, S alpha,
          const S* a, std::size_t lda, const S* b, std::size_t ldb, S beta, S* c, std::size_t ldc) {
  const std::size_t a_row = transpose_a ? 1 : lda, a_column = transpose_a ? lda : 1;
  const std::size_t b_row = transpose_b ? 1 : ldb, b_column = transpose_b ? ldb : 1;
  for (std::size_t i = 0; i < m; ++i) {
    for (std::size_t j = 0; j < n; ++j) {
      S sum = S(0);
      for (std::size_t p = 0; p < k; ++p) sum += a[i * a_row + p * a_column] * b[p * b_row + j * b_column];
      S& out = c[i * ldc + j];
      out = beta == S(0) ? alpha * sum : alpha * sum + beta * out;
    }
  }
}

// Returns whether the product was small enough to be computed here.
template <class S>
bool done_here(bool transpose_a, bool transpose_b, std::size_t m, std::size_t n, std::size_t k, S alpha,
               const S* a, std::size_t lda, const S* b, std::size_t ldb, S beta, S* c, std::size_t ldc) {
  if (m * n * k > (m < 4 ? kSmallFewRows : kSmall)) return false;
  const std::size_t a_row = transpose_a ? 1 : lda;
  const std::size_t a_column = transpose_a ? lda : 1;
  // A matrix with one row or column equals its transpose: read it in the faster way.
  if (ldb == 1 && transpose_b && k == 1) {
    transpose_b = false;
    ldb = n;
  } else if (ldb == 1 && !transpose_b && n == 1 && a_column == 1) {
    transpose_b = true;
    ldb = k;
  }
  if (transpose_b && a_column != 1) return false;
  const Product<S> product{m, n, k, alpha, a, a_row, a_column, b, ldb, beta, c, ldc};
  const SmallGemm<S>& loops = small_gemm<S>();
  transpose_b ? loops.dots(product) : loops.plain(product);
  return true;
}

// Returns whether packing only the right factor was faster than the BLAS, which packs both.
template <class S>
bool done_packed(bool transpose_a, bool transpose_b, std::size_t m, std::size_t n, std::size_t k, S alpha,
                 const S* a, std::size_t lda, const S* b, std::size_t ldb, S beta, S* c, std::size_t ldc) {
  // Measured: transposing takes as long as 50 rows of the product.
  constexpr std::size_t kLargest = std::size_t{1} << 24, kRows = 8, kRowsTransposing = 64;
  if (alpha != S(1) || (beta != S(0) && beta != S(1))) return false;
  if (m * n * k > kLargest || m < (transpose_b ? kRowsTransposing : kRows)) return false;
  const auto packed = !transpose_b && ldb == n
                          ? Packed<S>::borrowed(b, k, n)
                          : Packed<S>(k, n, b, transpose_b ? 1 : ldb, transpose_b ? ldb : 1);
  multiply_packed(m, n, k, a, transpose_a ? 1 : lda, transpose_a ? lda : 1, packed, beta == S(1), c, ldc);
  return true;
}

// Returns whether the product was A^T B with at most as many columns of B as a register has elements, for
// example the gradient of a narrow layer's weight: C^T = B^T A fills whole registers.
template <class S>
bool done_turned(bool transpose_a, bool transpose_b, std::size_t m, std::size_t n, std::size_t k, S alpha,
                 const S* a, std::size_t lda, const S* b, std::size_t ldb, S beta, S* c, std::size_t ldc) {
  constexpr std::size_t kLargest = std::size_t{1} << 24, kWorthTurning = 8;  // numbers of k, measured
  const std::size_t width = packing<S>().width;
  if (!transpose_a || transpose_b || alpha != S(1) || beta != S(0) || ldc != n) return false;
  if (n > width || m < 2 * width || k < kWorthTurning || m * n * k > kLargest) return false;
  Buffer<S> turned(n * m);
  const auto right = lda == m ? Packed<S>::borrowed(a, k, m) : Packed<S>(k, m, a, lda, 1);
  multiply_packed(n, m, k, b, 1, ldb, right, false, turned.data(), m);
  packing<S>().transpose(n, m, turned.data(), c);
  return true;
}

// The BLAS, on one thread each. Large products are cut into parts of C's rows that do not depend on the
// number of threads, so neither does the result: a BLAS that cuts by itself gives other bits for every
// number.
template <class S>
void blas(bool transpose_a, bool transpose_b, std::size_t m, std::size_t n, std::size_t k, S alpha,
          const S* a, std::size_t lda, const S* b, std::size_t ldb, S beta, S* c, std::size_t ldc) {
  constexpr std::size_t kWorthCutting = std::size_t{1} << 25, kParts = 4, kRows = 64;
  const auto rows = [&](std::size_t first, std::size_t count) {
    run(BlasProduct<S>{transpose_a, transpose_b, count, n, k, alpha, a + first * (transpose_a ? 1 : lda), lda,
                       b, ldb, beta, c + first * ldc, ldc});
  };
  if (m * n * k < kWorthCutting || m < kParts * kRows) {
    rows(0, m);
    return;
  }
  const std::size_t threads = std::min(threads_here(), kParts);
  const auto part = [&](std::size_t p) { rows(m * p / kParts, m * (p + 1) / kParts - m * p / kParts); };
  if (threads < 2) {
    for (std::size_t p = 0; p < kParts; ++p) part(p);
    return;
  }
  parallel(threads, [&](std::size_t thread) {
    for (std::size_t p = thread; p < kParts; p += threads) part(p);
  });
}

}  // namespace

template <class S>
void gemm(bool transpose_a, bool transpose_b, std::size_t m, std::size_t n, std::size_t k, S alpha,
          const S* a, std::size_t lda, const S* b, std::size_t ldb, S beta, S* c, std::size_t ldc) {
  if (m == 0 || n == 0) return;
  if (k == 0) {
    for (std::size_t i = 0; i < m; ++i) scale(beta, c + i * ldc, n);
    return;
  }
  if (m * n * k <= kTiny) {
    tiny(transpose_a, transpose_b, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
    return;
  }
  if (done_here(transpose_a, transpose_b, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc)) return;
  if (done_turned(transpose_a, transpose_b, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc)) return;
  if (done_packed(transpose_a, transpose_b, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc)) return;
  blas(transpose_a, transpose_b, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
}

template void gemm(bool, bool, std::size_t, std::size_t, std::size_t, float, const float*, std::size_t,
                   const float*, std::size_t, float, float*, std::size_t);
template void gemm(bool, bool, std::size_t, std::size_t, std::size_t, double, const double*, std::size_t,
                   const double*, std::size_t, double, double*, std::size_t);

}  // namespace kernel

namespace {
std::atomic<int> threads_allowed{1};
}

void set_num_threads(int threads) {
  if (threads < 1)
    throw ArgumentError(fmt::format("[set_num_threads] threads: expected >= 1, got {}", threads));
  threads_allowed = threads;
}

int num_threads() noexcept { return threads_allowed.load(std::memory_order_relaxed); }

}  // namespace unroll
