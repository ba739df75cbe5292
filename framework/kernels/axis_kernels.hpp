// Softmax and standardisation along an axis. The loops are in simd/axis_kernels.cpp. Internal: included only
// by .cpp files.
#pragma once

#include <cstddef>

#include "framework/kernels/isa.hpp"
#include "framework/kernels/reduce.hpp"

namespace unroll::kernel {

template <class S>
struct AxisKernels {
  // x (outer, n, inner) -> y, along n. softmax: exp(x - m) / s with m = max(x), s = sum(exp(x - m)).
  // log_softmax: (x - m) - log(s); in this order, large logits lose no digits. scratch has room for
  // softmax_scratch(n, inner) elements.
  using Softmax = void (*)(const S* x, S* y, std::size_t outer, std::size_t n, std::size_t inner,
                           S* scratch) noexcept;
  Softmax softmax, log_softmax;
  // x (rows, n) -> z = (x - mean) r and r = 1 / sqrt(var + eps) of every row.
  void (*standardize)(const S* x, std::size_t rows, std::size_t n, S eps, S* z, S* r) noexcept;
};
UNROLL_SIMD_TABLE(AxisKernels, axis_kernels)

constexpr std::size_t softmax_scratch(std::size_t n, std::size_t inner) {
  return inner == 1 ? 0 : 2 * inner + reduction_scratch(n, inner);
}

}  // namespace unroll::kernel
