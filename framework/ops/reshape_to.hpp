// Internal to ops: reshape for a shape that is known to fit.
#pragma once

#include "framework/record.hpp"

namespace unroll::detail {

// Returns the same elements under another shape with as many elements; x itself if the shape is x's. op is
// the name on the tape.
template <class S>
Var<S> reshape_to(const char* op, const Var<S>& x, const Shape& shape);

}  // namespace unroll::detail
