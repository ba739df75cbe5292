// Products too small for a BLAS call. The loops are in simd/small_gemm.cpp. Internal: included only by
// gemm.cpp.
#pragma once

#include <cstddef>

#include "framework/kernels/isa.hpp"

namespace unroll::kernel {

// C (m,n) = alpha op(A) op(B) + beta C; element (i,p) of op(A) is a[i * a_row + p * a_column].
template <class S>
struct Product {
  std::size_t m, n, k;
  S alpha;
  const S* a;
  std::size_t a_row, a_column;
  const S* b;
  std::size_t ldb;
  S beta;
  S* c;
  std::size_t ldc;
};

template <class S>
struct SmallGemm {
  void (*plain)(const Product<S>& product) noexcept;  // B (k,n) as stored
  void (*dots)(const Product<S>& product) noexcept;   // B (n,k) transposed and the rows of op(A) contiguous
};
UNROLL_SIMD_TABLE(SmallGemm, small_gemm)

}  // namespace unroll::kernel
