// Packed<S>: a matrix laid out for many products, like the weights of a time loop. Internal.
#pragma once

#include <algorithm>
#include <cstddef>
#include <utility>

#include "framework/kernels/packing.hpp"
#include "framework/kernels/parallel.hpp"
#include "framework/tensor.hpp"

namespace unroll::kernel {

// The number of multiplications from which another thread pays. Measured: with 7 million it loses, with 100
// million it wins.
inline constexpr std::size_t kWorthAThread = std::size_t{1} << 25;
// The rows of the left factor from which packing the right factor pays.
inline constexpr std::size_t kRowsWorthPacking = 4;

// Has the layout of kernels/packed_gemm.hpp for the current instruction set.
template <class S>
class Packed {
 public:
  Packed() = default;
  Packed(Packed&&) noexcept = default;
  Packed& operator=(Packed&&) noexcept = default;  // no copies: panels_ points into numbers_
  // (k,n): element (p,j) is b[p * row + j * column].
  Packed(std::size_t k, std::size_t n, const S* b, std::size_t row, std::size_t column)
      : numbers_(packing<S>().size(k, n)),
        panels_(packing<S>().pack(k, n, b, row, column, numbers_.data())) {}
  // Pack the transpose of weight (n,k), and weight (k,n) as it is.
  static Packed transposed(const S* weight, std::size_t n, std::size_t k) { return {k, n, weight, 1, k}; }
  static Packed plain(const S* weight, std::size_t k, std::size_t n) { return {k, n, weight, n, 1}; }
  // Uses weight (k,n) without a copy where that is as fast; weight must outlive this.
  static Packed borrowed(const S* weight, std::size_t k, std::size_t n) {
    Packed result;
    result.panels_ = packing<S>().in_place(k, n, weight);
    return result.panels_.numbers != nullptr ? std::move(result) : plain(weight, k, n);
  }

  // Packs the transpose of weight (n,k) in panels of one register, for n in whole registers: a product that
  // needs a few registers of columns at a time reads each panel from beginning to end.
  static Packed by_register(const S* weight, std::size_t n, std::size_t k) {
    const std::size_t width = packing<S>().width;
    Packed result;
    result.numbers_ = Buffer<S>(n * k);
    for (std::size_t j = 0; j < n; j += width)
      packing<S>().pack(k, width, weight + j * k, 1, k, result.numbers_.data() + j * k);
    result.panels_ = {result.numbers_.data(), width, k * width};
    return result;
  }

  bool empty() const noexcept { return panels_.numbers == nullptr; }
  const Panels<S>& panels() const noexcept { return panels_; }

 private:
  Buffer<S> numbers_;  // empty if borrowed
  Panels<S> panels_;
};

// C (m,n; row stride ldc) = A (m,k) B, or += with accumulate; element (i,p) of A is a[i * a_row + p *
// a_column]. Uses as many threads as are allowed and pay; a row's bits do not depend on the thread that
// computes it.
template <class S>
void multiply_packed(std::size_t m, std::size_t n, std::size_t k, const S* a, std::size_t a_row,
                     std::size_t a_column, const Packed<S>& b, bool accumulate, S* c, std::size_t ldc) {
  constexpr std::size_t kRows = 16;  // fewer per thread are not worth the second reading of B
  const std::size_t parts =
      std::min({threads_here(), m * n * k / kWorthAThread + 1, std::max<std::size_t>(m / kRows, 1)});
  const auto run = [&](std::size_t part) {
    const std::size_t begin = m * part / parts, end = m * (part + 1) / parts;
    packing<S>().multiply(end - begin, n, k, a + begin * a_row, a_row, a_column, b.panels(), accumulate,
                          c + begin * ldc, ldc);
  };
  if (parts < 2) {
    run(0);
  } else {
    parallel(parts, run);
  }
}

}  // namespace unroll::kernel
