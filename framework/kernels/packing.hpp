// The loops of packed.hpp, which are in simd/packed.cpp. Internal: included by .cpp files and headers of
// kernels only.
#pragma once

#include <cstddef>

#include "framework/kernels/isa.hpp"

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

}  // namespace unroll::kernel
