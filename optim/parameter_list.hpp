// Lists of parameters as users hand them over. Internal: included by .cpp files only.
#pragma once

#include <vector>

#include "framework/var.hpp"

namespace unroll::detail {

// Each parameter once, in the order of its first place. Throws ArgumentError naming the function for an empty
// handle or a constant.
template <class S>
std::vector<Var<S>> distinct_parameters(const char* where, const std::vector<Var<S>>& parameters);

}  // namespace unroll::detail
