// Packed<S>: a matrix laid out for being multiplied by many times, as the weights of a time loop are.
// Internal.
#pragma once

#include <cstddef>

#include "framework/kernels/isa.hpp"
#include "framework/tensor.hpp"

namespace unroll::kernel {

template <class S>
struct Packing {
  std::size_t (*size)(std::size_t k, std::size_t n) noexcept;
  void (*pack)(std::size_t k, std::size_t n, const S* b, std::size_t row, std::size_t column,
               S* out) noexcept;
  // C (m,n; row stride ldc) = A (m,k) B, or += with accumulate; element (i,p) of A is a[i * a_row + p *
  // a_column]
  void (*multiply)(std::size_t m, std::size_t n, std::size_t k, const S* a, std::size_t a_row,
                   std::size_t a_column, const S* packed, bool accumulate, S* c, std::size_t ldc) noexcept;
  // out (columns) = the sums of the columns of x (rows, columns; row stride ldx)
  void (*column_sums)(std::size_t rows, std::size_t columns, const S* x, std::size_t ldx, S* out) noexcept;
};
UNROLL_SIMD_TABLE(Packing, packing)

// The layout is that of kernels/packed_gemm.hpp for the instruction set in use.
template <class S>
class Packed {
 public:
  Packed() = default;
  // (k,n): element (p,j) is b[p * row + j * column].
  Packed(std::size_t k, std::size_t n, const S* b, std::size_t row, std::size_t column)
      : numbers_(Shape{packing<S>().size(k, n)}) {
    packing<S>().pack(k, n, b, row, column, numbers_.data());
  }
  // The transpose of weight (n,k), and weight (k,n) as it is.
  static Packed transposed(const S* weight, std::size_t n, std::size_t k) { return {k, n, weight, 1, k}; }
  static Packed plain(const S* weight, std::size_t k, std::size_t n) { return {k, n, weight, n, 1}; }

  const S* data() const noexcept { return numbers_.dimension() == 0 ? nullptr : numbers_.data(); }

 private:
  Tensor<S> numbers_;
};

}  // namespace unroll::kernel
