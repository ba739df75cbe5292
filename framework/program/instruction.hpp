// Instruction: one op of a traced step, as a call of a kernel. Internal.
#pragma once

#include <cstddef>
#include <cstdint>

#include "framework/kernels/axis_kernels.hpp"
#include "framework/kernels/pointwise.hpp"
#include "framework/kernels/reduce.hpp"
#include "framework/memory.hpp"
#include "framework/shape.hpp"

namespace unroll::detail {

enum class Kind : std::uint8_t {
  unary,        // y = f(x), element by element, with up to two constants
  binary,       // z = f(x, y), broadcast
  product,      // y = op(a) op(b), plus a bias if there is a third input, plus the last one if it `adds`
  cut,          // columns of x, from `first` on
  join,         // columns of several values, side by side
  pad,          // x as the columns from `first` on, 0 elsewhere
  zeros,        // rows of zeros, without inputs
  reduce,       // over an axis, which keeps size 1 or is left out
  fill,         // a column, repeated
  standardize,  // (x - mean) r of every row, or, if `first` is 1, r = 1 / sqrt(var + constant[0])
  softmax,      // of every row, or its log
  reshape,      // the same elements
};

template <class S>
struct Instruction {
  Kind kind{};
  const char* name = "";          // of the op, to be read
  PooledVector<int> inputs = {};  // numbers of values
  int output = -1;
  std::size_t columns = 0;  // of the output, if it is a matrix: a cut is not one of another width
  typename kernel::Pointwise<S>::Unary unary = nullptr;  // one of these three for Kind::unary
  typename kernel::Pointwise<S>::Unary1 unary1 = nullptr;
  typename kernel::Pointwise<S>::Unary2 unary2 = nullptr;
  S constant[2] = {};
  typename kernel::Pointwise<S>::Binary binary{};
  bool transpose_a = false, transpose_b = false, adds = false;
  std::size_t first = 0;
  typename kernel::Reductions<S>::Function reduce = nullptr;
  std::size_t axis = 0;
  typename kernel::AxisKernels<S>::Softmax softmax = nullptr;
};

// Returns the name of the op; for an op that was not recorded, of the kind of instruction.
template <class S>
const char* name_of(const Instruction<S>& op) noexcept {
  constexpr const char* kNames[] = {"map",   "map",    "matmul", "slice",       "concat",  "pad",
                                    "zeros", "reduce", "fill",   "standardize", "softmax", "reshape"};
  return *op.name != '\0' ? op.name : kNames[static_cast<std::size_t>(op.kind)];
}

// Compares what two instructions do, not how they are called.
template <class S>
bool operator==(const Instruction<S>& a, const Instruction<S>& b) noexcept {
  return a.kind == b.kind && a.inputs == b.inputs && a.output == b.output && a.columns == b.columns &&
         a.unary == b.unary && a.unary1 == b.unary1 && a.unary2 == b.unary2 &&
         a.constant[0] == b.constant[0] && a.constant[1] == b.constant[1] && a.binary.same == b.binary.same &&
         a.transpose_a == b.transpose_a && a.transpose_b == b.transpose_b && a.adds == b.adds &&
         a.first == b.first && a.reduce == b.reduce && a.axis == b.axis && a.softmax == b.softmax;
}

}  // namespace unroll::detail
