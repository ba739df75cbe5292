// The states of a recurrent cell (a Var or a struct of Vars), and the inputs and outputs of a layer's call.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "framework/multi_output.hpp"
#include "framework/var.hpp"
#include "layers/module/member.hpp"

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

// Several states: one per layer and direction, for example.
template <class State>
using States = PooledVector<State>;

// Optional inputs of a call.
template <class State>
struct RecurrentInputs {
  States<State> states = {};        // initial, one per layer and direction (index layer * directions +
                                    // direction); none: learned ones, or zeros
  std::vector<Index> lengths = {};  // (B) steps of each sequence, in any order, 0 allowed; empty: all T
};

template <class S, class State>
struct RecurrentOutput {
  Var<S> output;         // (T,B,directions*H), or (B,T,..); 0 after a sequence's end
  States<State> states;  // after each sequence's last step, in the order of the initial ones
};

// The same, with the states after every step.
template <class S, class State>
struct RecurrentTrace {
  Var<S> output;
  States<State> states;
  States<State> all_states;  // every Var (T,B,H), or (B,T,H); 0 after a sequence's end; in states' order
};

namespace detail {
// True if a state is more than h.
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

namespace detail {
// Returns the number of Vars in a state.
template <class State>
std::size_t count_vars(const State& state) {
  std::size_t count = 0;
  for_each_in_state(state, [&](const auto&) { ++count; });
  return count;
}
}  // namespace detail

// Returns the state of f(v) for every Var v.
template <class State, class F>
State map_state(const State& state, F&& f) {
  State result = state;
  for_each_in_state(result, [&](auto& var) { var = f(var); });
  return result;
}

// Returns the state of f(a, b) for every pair of Vars.
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

// Returns the part of a state that the layer outputs: the Var itself, or the member h.
template <class S, class State>
const Var<S>& hidden_of(const State& state) {
  if constexpr (detail::is_parameter<State>) {
    return state;
  } else {
    return state.h;
  }
}

// Does the same for an expiring state.
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

// Returns the initial state: the cell's zero_state(batch), or zeros (B,H) for every Var.
template <class Cell>
state_t<Cell> zero_state(const Cell& cell, std::size_t batch) {
  if constexpr (requires { cell.zero_state(batch); }) {
    return cell.zero_state(batch);
  } else {
    state_t<Cell> state;
    for_each_in_state(state, [&](auto& var) {
      var = std::remove_cvref_t<decltype(var)>::zeros({batch, static_cast<std::size_t>(cell.options.hidden)});
    });
    return state;
  }
}

namespace detail {
// Returns the features of a cell's output: its output_size(), or H.
template <class Cell>
std::size_t output_size(const Cell& cell) {
  if constexpr (requires { cell.output_size(); }) {
    return static_cast<std::size_t>(cell.output_size());
  } else {
    return static_cast<std::size_t>(cell.options.hidden);
  }
}
}  // namespace detail

// Returns the same state as constants, to truncate backpropagation when one tape spans several windows. (On a
// new tape earlier values are constants anyway.)
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

// Returns the name of a cell's first parameter, which says where in a model it is.
template <class Cell>
std::string_view first_parameter_name(const Cell& cell) {
  std::string_view name;
  Cell::each(cell, [&](const auto&, const auto& member) {
    if constexpr (is_parameter<std::remove_cvref_t<decltype(member)>>) {
      if (name.empty() && member.defined()) name = member.name();
    }
  });
  return name;
}

// The result of one layer in one direction over a sequence.
template <class S, class State>
struct LayerResult {
  Var<S> output;             // (T,B,H), or packed (N,H)
  State state;               // the final one
  std::optional<State> all;  // every step's, laid out like output; if requested
};

// Returns the same of a list: the sequence's output, the final state's Vars and, if kept, those of all states
// except h, which is the sequence itself; like: a state of the layer.
template <class S, class State>
LayerResult<S, State> layer_result(const VarList<S>& outputs, const State& like, bool all_states) {
  LayerResult<S, State> result{outputs[0], like, {}};
  std::size_t next = 1;
  for_each_in_state(result.state, [&](Var<S>& var) { var = outputs[next++]; });
  if (!all_states) return result;
  result.all = like;
  for_each_in_state(*result.all, [&](Var<S>& var) {
    const bool is_hidden = &var == &hidden_of<S>(std::as_const(*result.all));
    var = is_hidden ? outputs[0] : outputs[next++];
  });
  return result;
}

}  // namespace detail
}  // namespace unroll
