// Checks that an upstream gradient of 0 gives a gradient of exactly 0, whatever the inputs.
#pragma once

#include "tests/framework/ops_table.hpp"

namespace unroll::test {

// In both precisions, for first and second derivatives and at inputs from the edges of every domain (0, -0,
// subnormal and largest numbers, infinity, NaN): an input has gradient exactly 0 when the upstream gradient
// is 0 at every output element that depends on it. regular: inputs where f is finite, to find out what
// depends on what.
void check_zero_upstream(const Op& f, const Tensors& regular);

}  // namespace unroll::test
