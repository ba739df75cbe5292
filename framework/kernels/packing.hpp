// The loops of packed.hpp, which are in simd/packed.cpp. Internal: included only by .cpp files and by headers
// of kernels.
#pragma once

#include <cstddef>

#include "framework/kernels/isa.hpp"

namespace unroll::kernel {

// A matrix (k,n) in the layout of products: panels whose width depends on the instruction set; row p of panel
// q is at numbers + q * panel + p * row.
template <class S>
struct Panels {
  const S* numbers = nullptr;
  std::size_t row = 0, panel = 0;
};

template <class S>
struct Packing {
  std::size_t width;  // elements of a register
  std::size_t (*size)(std::size_t k, std::size_t n) noexcept;
  // Element (p,j) of the matrix is b[p * row + j * column]; out has room for size(k,n) elements.
  Panels<S> (*pack)(std::size_t k, std::size_t n, const S* b, std::size_t row, std::size_t column,
                    S* out) noexcept;
  // Returns the matrix b (k,n) in place, or nothing if its rows do not fill whole registers, or if it is so
  // large that reading a copy without gaps is faster.
  Panels<S> (*in_place)(std::size_t k, std::size_t n, const S* b) noexcept;
  // C (m,n; row stride ldc) = A (m,k) B, or += with accumulate; element (i,p) of A is a[i * a_row + p *
  // a_column].
  void (*multiply)(std::size_t m, std::size_t n, std::size_t k, const S* a, std::size_t a_row,
                   std::size_t a_column, const Panels<S>& b, bool accumulate, S* c, std::size_t ldc) noexcept;
  // to (columns,rows) = the transpose of from (rows,columns), neither with gaps
  void (*transpose)(std::size_t rows, std::size_t columns, const S* from, S* to) noexcept;
  // out (columns) = the sums of the columns of x (rows, columns; row stride ldx)
  void (*column_sums)(std::size_t rows, std::size_t columns, const S* x, std::size_t ldx, S* out) noexcept;
};
UNROLL_SIMD_TABLE(Packing, packing)

}  // namespace unroll::kernel
