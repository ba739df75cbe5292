// Internal to ops: a limit for sizes that a caller chooses.
#pragma once

#include "framework/tensor.hpp"

namespace unroll::detail {

// Throws ShapeError for more elements than can be addressed, also next to an axis of size 0: products of
// sizes would wrap around.
void check_size(const char* op, const Shape& shape);

}  // namespace unroll::detail
