// for_each_window: truncated backpropagation through time over a long sequence, with the state carried along.
#pragma once

#include <utility>
#include <vector>

#include "framework/tape.hpp"
#include "layers/recurrent.hpp"

namespace unroll {

namespace detail {
void check_window_lengths(Index steps, const std::vector<Index>& lengths);
[[noreturn]] void throw_no_function(const char* name);
// Throws ArgumentError for an empty std::function.
template <class F>
void require_function(const char* name, const F& f) {
  if constexpr (requires { f.target_type(); }) {
    if (!f) throw_no_function(name);
  }
}
}  // namespace detail

// The steps [first, last) of a sequence.
struct Window {
  Index first = 0, last = 0;
  Index size() const noexcept { return last - first; }
  bool operator==(const Window&) const = default;
};

// Cuts 0..steps into windows of `size` steps; the last one may be shorter. Throws ArgumentError for a size
// below 1.
std::vector<Window> windows(Index steps, Index size);
// Returns the lengths of these sequences inside the window.
std::vector<Index> lengths_in(Window window, const std::vector<Index>& lengths);

// Runs a layer over a sequence of `steps` steps, window by window (Werbos 1990; Williams and Peng 1990). Each
// window has its own tape, so gradients end at its first step, and starts from the final states of the
// previous window. input(window), called on that tape, returns the window's x (T,B,I), or (B,T,I) with
// batch_first:
//
//   for_each_window(gru, T, 35, {}, [&](Window w) { return embedding(letters(w)); },
//                   [&](Tape& tape, const auto& result, Window w) {
//     tape.backward(cross_entropy(head(result.output), targets(w)));
//     adam.step();
//   });
//
// Lengths and initial states are those of the whole sequence; returns the final states. Throws ArgumentError
// for a bidirectional layer, a window size below 1 and lengths outside 0..steps; exceptions of the layer pass
// through.
template <class Cell, class Input, class F>
States<state_t<Cell>> for_each_window(const Recurrent<Cell>& layer, Index steps, Index size,
                                      RecurrentInputs<state_t<Cell>> given, Input&& input, F&& f) {
  layer.require_one_direction("for_each_window");
  detail::require_function("input", input);
  detail::require_function("f", f);
  detail::check_window_lengths(steps, given.lengths);
  for (const Window window : windows(steps, size)) {
    Tape tape;
    const auto result =
        layer(input(window), {.states = given.states, .lengths = lengths_in(window, given.lengths)});
    f(tape, result, window);
    given.states = detach(result.states);
  }
  return given.states;
}

// Does the same for the whole x, (T,B,I) or (B,T,I): a constant on the windows' tapes, unless it is a
// parameter.
template <class Cell, class F>
States<state_t<Cell>> for_each_window(const Recurrent<Cell>& layer, const Var<scalar_t<Cell>>& x, Index size,
                                      RecurrentInputs<state_t<Cell>> given, F&& f) {
  const Index time_axis = layer.options().batch_first ? 1 : 0;
  if (x.dimension() != 3) layer(x);  // throws for the shape
  const auto part = [&](Window window) { return slice(x, time_axis, {window.first, window.last}); };
  return for_each_window(layer, static_cast<Index>(x.shape(time_axis)), size, std::move(given), part,
                         std::forward<F>(f));
}

}  // namespace unroll
