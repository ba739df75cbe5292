// Groups of parameters, each with its own options.
#pragma once

#include <string_view>
#include <vector>

#include "framework/var.hpp"

namespace unroll {

// Parameters with their options; an optimizer has one or several groups.
template <class S, class Options>
struct ParameterGroup {
  std::vector<Var<S>> parameters;
  Options options = {};
};

// Removes from the list, and returns, the parameters whose names contain the word; the others keep their
// order. Throws ArgumentError if there is none.
template <class S>
std::vector<Var<S>> take_named(std::vector<Var<S>>& parameters, std::string_view word);

}  // namespace unroll
