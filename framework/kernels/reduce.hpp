// Reductions along one axis; reduce_axes.hpp has those along several. The loops are in simd/fold.hpp.
// Internal: included only by .cpp files.
#pragma once

#include <cstddef>

#include "framework/kernels/isa.hpp"

namespace unroll::kernel {

// Rows that are combined in registers, column by column; few enough for the first level of the TLB.
inline constexpr std::size_t kLeafRows = 64;

template <class S>
struct Reductions {
  // x (outer, n, inner) -> out (outer, inner), over n. No elements (n = 0) give 0, -inf and inf; a NaN gives
  // NaN. scratch has room for reduction_scratch(n, inner) elements.
  using Function = void (*)(const S* x, std::size_t outer, std::size_t n, std::size_t inner, S* out,
                            S* scratch) noexcept;
  Function sum, max, min;
};
UNROLL_SIMD_TABLE(Reductions, reductions)

// The size of the partial results for n rows: n is halved until kLeafRows are left.
constexpr std::size_t reduction_scratch(std::size_t n, std::size_t inner) {
  if (inner == 1) return 0;
  std::size_t halvings = 0;
  for (std::size_t rows = n; rows > kLeafRows; rows -= rows / 2) ++halvings;
  return halvings * inner;
}

}  // namespace unroll::kernel
