// What a recurrent cell carries from step to step: a Var, or a struct of Vars.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "framework/var.hpp"
#include "layers/module.hpp"

namespace unroll {

namespace detail {
template <class Cell>
struct StateOf {
  using type = Var<scalar_t<Cell>>;
};
template <class Cell>
requires requires { typename Cell::State; }
struct StateOf<Cell> {
  using type = typename Cell::State;
};
}  // namespace detail

// A cell's member type State, or Var<S> when it names none.
template <class Cell>
using state_t = typename detail::StateOf<Cell>::type;

// Several states: one per layer and direction, say.
template <class State>
using States = PooledVector<State>;

namespace detail {
// Whether a state is more than h.
template <class State>
constexpr bool has_inner_state() {
  return !is_parameter<State>;
}
}  // namespace detail

// Calls f(Var&) for every Var of a state.
template <class State, class F>
void for_each_in_state(State& state, F&& f) {
  if constexpr (detail::is_parameter<std::remove_const_t<State>>) {
    f(state);
  } else {
    std::remove_const_t<State>::each(state, [&](std::string_view, auto& var) { f(var); });
  }
}

// The state f(v) for every Var v.
template <class State, class F>
State map_state(const State& state, F&& f) {
  State result = state;
  for_each_in_state(result, [&](auto& var) { var = f(var); });
  return result;
}

// The state f(a, b) for every pair of Vars.
template <class State, class F>
State map_states(const State& a, const State& b, F&& f) {
  using S = scalar_t<State>;
  PooledVector<const Var<S>*> first, second;
  for_each_in_state(a, [&](const auto& var) { first.push_back(&var); });
  for_each_in_state(b, [&](const auto& var) { second.push_back(&var); });
  State result;
  std::size_t i = 0;
  for_each_in_state(result, [&](auto& var) {
    var = f(*first[i], *second[i]);
    ++i;
  });
  return result;
}

// The part of a state that the layer puts out: the Var itself, or the member h.
template <class S, class State>
const Var<S>& hidden_of(const State& state) {
  if constexpr (detail::is_parameter<State>) {
    return state;
  } else {
    return state.h;
  }
}

// The same of a state that is about to go.
template <class S, class State>
Var<S> hidden_of(const State&& state) {
  return hidden_of<S>(state);
}

// Calls f(name, Var&) for every Var of a state; the name of a state that is one Var is "h".
template <class State, class F>
void for_each_named_in_state(State& state, F&& f) {
  if constexpr (detail::is_parameter<std::remove_const_t<State>>) {
    f(std::string("h"), state);
  } else {
    std::remove_const_t<State>::each(state, f);
  }
}

// The state that a sequence begins with: the cell's zero_state(batch), or zeros (B,H) for every Var.
template <class Cell>
state_t<Cell> zero_state(const Cell& cell, std::size_t batch) {
  if constexpr (requires { cell.zero_state(batch); }) {
    return cell.zero_state(batch);
  } else {
    state_t<Cell> state;
    for_each_in_state(state, [&](auto& var) {
      using V = std::remove_cvref_t<decltype(var)>;
      var = V::zeros({batch, static_cast<std::size_t>(cell.options.hidden)});
    });
    return state;
  }
}

// The same state as constants: where a truncated backpropagation ends when one tape spans several windows.
// (On a new tape earlier values are constants anyway.)
template <class State>
State detach(const State& state) {
  return map_state(state, [](const auto& var) { return var.detach(); });
}

template <class State>
States<State> detach(const States<State>& states) {
  States<State> result;
  for (const State& state : states) result.push_back(detach(state));
  return result;
}

namespace detail {

// What one layer in one direction makes of a sequence.
template <class S, class State>
struct LayerResult {
  Var<S> output;             // (T,B,H), or packed (N,H)
  State state;               // the final one
  std::optional<State> all;  // every step's, laid out as output; when asked for
};

}  // namespace detail
}  // namespace unroll
