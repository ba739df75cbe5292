// Element-wise instructions as expressions of C. Internal.
#pragma once

#include "framework/program/instruction.hpp"

namespace unroll::detail {

// text, for fmt: x and y stand for the operands, c and d for constants. calls: one of c_functions(), or "".
struct CExpression {
  const char *text, *calls = "";
};

// Returns null for functions that only a gradient has.
template <class S>
const CExpression* c_expression(const Instruction<S>& op);

}  // namespace unroll::detail
