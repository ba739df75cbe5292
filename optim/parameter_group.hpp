// Groups of parameters, each with options of its own.
#pragma once

#include <string_view>
#include <vector>

#include "framework/var.hpp"

namespace unroll {

// An optimizer is made of one or several such groups.
template <class S, class Options>
struct ParameterGroup {
  std::vector<Var<S>> parameters;
  Options options = {};
};

// Takes out of the list, and returns, the parameters whose names contain the word; the others stay, in their
// order. Throws ArgumentError when there is none.
template <class S>
std::vector<Var<S>> take_named(std::vector<Var<S>>& parameters, std::string_view word);

}  // namespace unroll
