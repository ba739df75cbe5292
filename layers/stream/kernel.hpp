// One step of a frozen recurrent layer, on raw pointers. Internal: what `Stream` runs.
//
// Hidden units are taken `lanes` at a time, a block: the gates of a block lie side by side in the weights, so
// that they are summed up in registers, together, while the weights are read once from beginning to end:
//   weight (blocks, size of x + size of h, gates, lanes), zero beyond the last unit.
// Results have rows of blocks * lanes numbers; what lies beyond the last unit is defined and means nothing.
#pragma once

#include <cstddef>

#include "framework/kernels/isa.hpp"

namespace unroll::stream {

// rows of size numbers, stride apart.
template <class S>
struct Rows {
  const S* values;
  std::size_t size, stride;
};

// What every kind of step has. x (rows,I) and h (rows,H or P) are read, weight and bias are aligned to a
// block.
template <class S>
struct Step {
  std::size_t rows, blocks;
  Rows<S> x, h;
  const S* weight;
  const S* bias;  // (blocks, gates, lanes)
  S* output;      // (rows, blocks, lanes)
};

enum class Nonlinearity { none, tanh, relu };

template <class S>
struct Kernels {
  std::size_t lanes;  // numbers side by side in a block
  // output = nonlinearity(W [x h] + b), one gate. Also a linear map: h with size 0.
  void (*affine)(const Step<S>& step, Nonlinearity nonlinearity) noexcept;
  // Gates i f g o; c (rows, blocks, lanes) is carried on, output = o tanh(c).
  void (*lstm)(const Step<S>& step, S* c) noexcept;
  // Gates r z n; bias (blocks, 4, lanes) is r z n and what is added to W_hn h inside the reset. Up to one
  // block beyond the end of h is read.
  void (*gru_reset_after)(const Step<S>& step, bool z_keeps) noexcept;
  // Gates r z n for x, r z for h: weight (blocks, 3 size of x + 2 size of h, lanes); weight_hn (blocks, size
  // of h, lanes). z, n and reset_h (rows, blocks, lanes) are written on the way. Up to one block beyond the
  // end of h is read.
  void (*gru_reset_before)(const Step<S>& step, bool z_keeps, const S* weight_hn, S* z, S* n,
                           S* reset_h) noexcept;
};
UNROLL_SIMD_TABLE(Kernels, kernels)

}  // namespace unroll::stream
