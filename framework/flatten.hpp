// flatten and unflatten: all parameters as one vector, for optimizers and checks that want one.
#pragma once

#include <vector>

#include "framework/var.hpp"

namespace unroll {

// Returns the elements of all values (N), one value after the other, each row-major.
template <class S>
Tensor<S> flatten(const std::vector<Var<S>>& values);
// Returns the parameters' gradients in the same order, zeros for a parameter without one.
// Throws ShapeError for a gradient of another shape, as after a change of the parameter's.
template <class S>
Tensor<S> flatten_gradients(const std::vector<Var<S>>& parameters);
// Sets the values to the elements of flat (N). Throws ShapeError unless flat has as many elements as all
// values together.
template <class S>
void unflatten(const Tensor<S>& flat, const std::vector<Var<S>>& values);

}  // namespace unroll
