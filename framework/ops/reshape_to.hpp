// Internal to ops: reshape for a shape that is known to fit.
#pragma once

#include "framework/tape.hpp"

namespace unroll::detail {

// The same elements under another shape of as many elements; x itself when the shape is x's own. op is what
// the tape calls it.
template <class S>
Var<S> reshape_to(const char* op, const Var<S>& x, const Shape& shape);

}  // namespace unroll::detail
