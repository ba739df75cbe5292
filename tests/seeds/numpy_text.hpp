// Text of arrays as NumPy prints them.
#pragma once

#include <string>

#include "framework/tensor.hpp"

namespace unroll::seeds {

// str(array) with NumPy's defaults: 8 digits behind the point without trailing zeros, columns of equal width,
// lines of at most 75 characters. Throws ArgumentError where NumPy would change to exponents (largest element
// 1e8 or more, smallest nonzero one below 1e-4 or 1000 times below the largest).
std::string numpy_text(const Tensor<double>& array);

// "(5, 10)" and "(4,)"
std::string numpy_shape_text(const Shape& shape);

}  // namespace unroll::seeds
