// Matrix products: the only place that calls the BLAS.
#pragma once

#include <cstddef>

#include "framework/threads.hpp"

namespace unroll::kernel {

// C (m,n) = alpha op(A) op(B) + beta C, row-major; op(A) is (m,k), op(B) is (k,n); ld* are the row strides of
// the matrices as stored. With beta = 0 C may be uninitialised.
template <class S>
void gemm(bool transpose_a, bool transpose_b, std::size_t m, std::size_t n, std::size_t k, S alpha,
          const S* a, std::size_t lda, const S* b, std::size_t ldb, S beta, S* c, std::size_t ldc);

}  // namespace unroll::kernel
