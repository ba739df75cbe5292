#include "framework/kernels/gemm.hpp"

#include <cblas.h>
#include <fmt/format.h>

#include <type_traits>

#include "framework/errors.hpp"

namespace unroll {
namespace kernel {
namespace {

// OpenBLAS would start a thread per core; small recurrent products only get slower by that, and a result that
// does not depend on the machine's core count is worth more. Set once, before the first product.
[[maybe_unused]] const bool kSingleThreaded = [] {
  openblas_set_num_threads(1);
  return true;
}();

// A BLAS call costs more than a product of this many multiplications.
constexpr std::size_t kSmall = 4096;

template <class S>
void scale(S beta, S* c, std::size_t n) {
  if (beta == S(1)) return;
  if (beta == S(0)) {
    for (std::size_t j = 0; j < n; ++j) c[j] = S(0);
  } else {
    for (std::size_t j = 0; j < n; ++j) c[j] *= beta;
  }
}

template <class S>
void small_gemm(bool transpose_a, bool transpose_b, std::size_t m, std::size_t n, std::size_t k, S alpha,
                const S* a, std::size_t lda, const S* b, std::size_t ldb, S beta, S* c, std::size_t ldc) {
  for (std::size_t i = 0; i < m; ++i) {
    S* __restrict row = c + i * ldc;
    scale(beta, row, n);
    for (std::size_t p = 0; p < k; ++p) {
      const S factor = alpha * (transpose_a ? a[p * lda + i] : a[i * lda + p]);
      if (transpose_b) {
        for (std::size_t j = 0; j < n; ++j) row[j] += factor * b[j * ldb + p];
      } else {
        const S* __restrict line = b + p * ldb;
        for (std::size_t j = 0; j < n; ++j) row[j] += factor * line[j];
      }
    }
  }
}

}  // namespace

template <class S>
void gemm(bool transpose_a, bool transpose_b, std::size_t m, std::size_t n, std::size_t k, S alpha, const S* a,
          std::size_t lda, const S* b, std::size_t ldb, S beta, S* c, std::size_t ldc) {
  if (m == 0 || n == 0) return;
  if (k == 0) {
    for (std::size_t i = 0; i < m; ++i) scale(beta, c + i * ldc, n);
    return;
  }
  if (m * n * k <= kSmall) {
    small_gemm(transpose_a, transpose_b, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
    return;
  }
  const auto ta = transpose_a ? CblasTrans : CblasNoTrans;
  const auto tb = transpose_b ? CblasTrans : CblasNoTrans;
  const auto i = [](std::size_t v) { return static_cast<blasint>(v); };
  if constexpr (std::is_same_v<S, float>) {
    cblas_sgemm(CblasRowMajor, ta, tb, i(m), i(n), i(k), alpha, a, i(lda), b, i(ldb), beta, c, i(ldc));
  } else {
    cblas_dgemm(CblasRowMajor, ta, tb, i(m), i(n), i(k), alpha, a, i(lda), b, i(ldb), beta, c, i(ldc));
  }
}

template void gemm(bool, bool, std::size_t, std::size_t, std::size_t, float, const float*, std::size_t,
                   const float*, std::size_t, float, float*, std::size_t);
template void gemm(bool, bool, std::size_t, std::size_t, std::size_t, double, const double*, std::size_t,
                   const double*, std::size_t, double, double*, std::size_t);

}  // namespace kernel

void set_num_threads(int threads) {
  if (threads < 1) throw ArgumentError(fmt::format("[set_num_threads] threads want >= 1, got {}", threads));
  openblas_set_num_threads(threads);
}

int num_threads() noexcept { return openblas_get_num_threads(); }

}  // namespace unroll
