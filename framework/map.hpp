// map: element-wise functions of plain numbers, as fast as the library's ops.
#pragma once

#include <initializer_list>
#include <span>

namespace unroll {

enum class Elementwise {
  negate,
  exp,
  log,
  sqrt,
  square,
  abs,
  sign,
  sin,
  cos,
  tanh,
  sigmoid,
  gelu,
  normal_cdf,
  softplus,
  relu
};

// y[i] = f_n(...f_1(x[i])...) for the functions of chain, first to last, with the instruction set in use. For
// rules and layers in plain numbers, whose own loops would call exp and tanh one number at a time. y may be
// x. Throws ShapeError unless x and y have equally many numbers. S is float or double.
template <class S>
void map(std::initializer_list<Elementwise> chain, std::span<const S> x, std::span<S> y);

}  // namespace unroll
