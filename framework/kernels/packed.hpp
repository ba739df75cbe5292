// Packed<S>: a matrix laid out for being multiplied by many times, as the weights of a time loop are.
// Internal.
#pragma once

#include <algorithm>
#include <cstddef>
#include <utility>

#include "framework/kernels/packing.hpp"
#include "framework/kernels/parallel.hpp"
#include "framework/tensor.hpp"

namespace unroll::kernel {

// Multiplications from which a further thread pays. Measured: with 7 million it loses, with 100 million it
// wins.
inline constexpr std::size_t kWorthAThread = std::size_t{1} << 25;
// Rows of the left factor from which packing the right one pays.
inline constexpr std::size_t kRowsWorthPacking = 4;

// The layout is that of kernels/packed_gemm.hpp for the instruction set in use.
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
  // The transpose of weight (n,k), and weight (k,n) as it is.
  static Packed transposed(const S* weight, std::size_t n, std::size_t k) { return {k, n, weight, 1, k}; }
  static Packed plain(const S* weight, std::size_t k, std::size_t n) { return {k, n, weight, n, 1}; }
  // weight (k,n) without a copy where that is as fast: it must stay as long as this.
  static Packed borrowed(const S* weight, std::size_t k, std::size_t n) {
    Packed result;
    result.panels_ = packing<S>().in_place(k, n, weight);
    return result.panels_.numbers != nullptr ? std::move(result) : plain(weight, k, n);
  }

  // The transpose of weight (n,k) in panels of one register, for n in whole registers: a product that needs
  // some registers of columns at a time reads each panel from its beginning to its end.
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
  Buffer<S> numbers_;  // empty when borrowed
  Panels<S> panels_;
};

// C (m,n; row stride ldc) = A (m,k) B, or += with accumulate; element (i,p) of A is a[i * a_row + p *
// a_column]. On as many threads as are allowed and pay: every row comes out the same whichever thread
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
