// One matrix product on the calling thread by OpenBLAS, or by oneDNN where it is built in and faster.
// Internal.
#pragma once

#include <cstddef>

namespace unroll::kernel {

// C (m,n) = alpha op(A) op(B) + beta C, row-major; lda, ldb, ldc are the row strides as stored.
template <class S>
struct BlasProduct {
  bool transpose_a, transpose_b;
  std::size_t m, n, k;
  S alpha;
  const S* a;
  std::size_t lda;
  const S* b;
  std::size_t ldb;
  S beta;
  S* c;
  std::size_t ldc;
};

template <class S>
void run(const BlasProduct<S>& product);

// While one lives, its thread may call the BLAS or LAPACK. OpenBLAS keeps a buffer for each thread that is
// inside it and, without memory for one, retries for ever; so memory is checked here first. Throws
// MemoryError.
class BlasUse {
 public:
  BlasUse();
  ~BlasUse();
  BlasUse(const BlasUse&) = delete;
  BlasUse& operator=(const BlasUse&) = delete;
};

}  // namespace unroll::kernel
