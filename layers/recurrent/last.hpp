// last: the final h of a sequence, for example for a classifier.
#pragma once

#include <vector>

#include "framework/ops.hpp"
#include "layers/recurrent/cell.hpp"

namespace unroll {

namespace detail {

// Returns 1 or 2, by the features of the output, which concatenates both directions. Throws ShapeError if it
// can be neither, ArgumentError for no states.
std::size_t directions_of(const Shape& output, std::size_t states, const Shape* hidden);

template <class S, class State>
Var<S> last_hidden(const Var<S>& output, const States<State>& states) {
  const Var<S>* h = states.empty() ? nullptr : &hidden_of<S>(states.back());
  const bool defined = h != nullptr && h->defined() && output.defined();
  if (directions_of(defined ? output.shape() : Shape{}, states.size(), defined ? &h->shape() : nullptr) == 1)
    return *h;
  return concat(std::vector<Var<S>>{hidden_of<S>(states[states.size() - 2]), *h}, 1);
}

}  // namespace detail

// Returns the last layer's final h, after each sequence's last step: (B,H), or for both directions (B,2H),
// forward first (PyTorch's concatenated h_n[-2] and h_n[-1]). The result tells the number of directions.
// Throws ArgumentError for a result that no layer has made, ShapeError for one whose output has been changed
// to another number of features.
template <class S, class State>
Var<S> last(const RecurrentOutput<S, State>& result) {
  return detail::last_hidden<S>(result.output, result.states);
}
template <class S, class State>
Var<S> last(const RecurrentTrace<S, State>& result) {
  return detail::last_hidden<S>(result.output, result.states);
}

}  // namespace unroll
