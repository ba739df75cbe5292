// Lists of parameters as users pass them. Internal: included only by .cpp files.
#pragma once

#include <vector>

#include "framework/var.hpp"

namespace unroll::detail {

// Returns each parameter once, in the order of first occurrence. Throws ArgumentError naming the function for
// an empty handle or a constant.
template <class S>
std::vector<Var<S>> distinct_parameters(const char* where, const std::vector<Var<S>>& parameters);

}  // namespace unroll::detail
