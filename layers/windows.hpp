// Windows: truncated backpropagation through time, over a long sequence in pieces with the state carried
// along.
#pragma once

#include <vector>

#include "framework/tape.hpp"
#include "layers/recurrent.hpp"

namespace unroll {

// The steps [first, last) of a sequence.
struct Window {
  Index first = 0, last = 0;
  Index size() const noexcept { return last - first; }
  bool operator==(const Window&) const = default;
};

// 0..steps cut into windows of `size` steps, the last one maybe shorter. Throws ArgumentError for a size
// below 1.
std::vector<Window> windows(Index steps, Index size);
// How much of sequences of these lengths falls into the window: their lengths inside it.
std::vector<Index> lengths_in(Window window, const std::vector<Index>& lengths);

// Runs a layer over x (T,B,I), or (B,T,I) with batch_first, window after window. Each has a tape of its own,
// so that gradients end at its border, and begins with the states that the one before ended with:
//
//   for_each_window(gru, x, 35, {}, [&](Tape& tape, const auto& result, Window w) {
//     tape.backward(cross_entropy(head(result.output), targets(w)));
//     adam.step();
//   });
//
// (Werbos 1990; Williams and Peng 1990.) Lengths and initial states are those of the whole; returns the
// states at the end. x is a constant on a window's tape, unless it is a parameter. Throws ArgumentError for a
// bidirectional layer and a window size below 1, and what the layer throws.
template <class Cell, class F>
std::vector<state_t<Cell>> for_each_window(const Recurrent<Cell>& layer, const Var<scalar_t<Cell>>& x,
                                           Index size, RecurrentInputs<state_t<Cell>> given, F&& f) {
  layer.require_one_direction("for_each_window");
  const Index time_axis = layer.options().batch_first ? 1 : 0;
  if (x.dimension() != 3) layer(x);  // says what it wants
  for (const Window window : windows(static_cast<Index>(x.shape(time_axis)), size)) {
    Tape tape;
    const auto result = layer(slice(x, time_axis, {window.first, window.last}),
                              {.states = given.states, .lengths = lengths_in(window, given.lengths)});
    f(tape, result, window);
    given.states = detach(result.states);
  }
  return given.states;
}

}  // namespace unroll
