// Packed<S>: a matrix laid out for being multiplied by many times, as the weights of a time loop are.
// Internal.
#pragma once

#include <cstddef>

#include "framework/kernels/packing.hpp"
#include "framework/tensor.hpp"

namespace unroll::kernel {

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
