// CarriedStates: recurrent states that a loss carries from batch to batch.
#pragma once

#include <string>
#include <utility>

#include "framework/errors.hpp"
#include "framework/serialization.hpp"
#include "layers/recurrent/cell.hpp"

namespace unroll {

// The states as tensors "0.h", "0.c", "1.h" ...
template <class State>
TensorMap<scalar_t<State>> state_tensors(const States<State>& states) {
  TensorMap<scalar_t<State>> tensors;
  for (std::size_t k = 0; k < states.size(); ++k) {
    for_each_named_in_state(states[k], [&](const auto& name, const auto& var) {
      tensors[std::to_string(k) + "." + std::string(name)] = var.value();
    });
  }
  return tensors;
}

// The reverse; no tensors: no states. Throws ArgumentError for other names.
template <class State>
States<State> states_from(const TensorMap<scalar_t<State>>& tensors) {
  States<State> states;
  std::size_t taken = 0;
  while (taken < tensors.size()) {
    State state;
    for_each_named_in_state(state, [&](const auto& name, auto& var) {
      const std::string key = std::to_string(states.size()) + "." + std::string(name);
      const auto found = tensors.find(key);
      if (found == tensors.end()) {
        throw ArgumentError("[states_from] tensors: expected '" + key + "', got none of that name");
      }
      var = Var<scalar_t<State>>(found->second);
      ++taken;
    });
    states.push_back(std::move(state));
  }
  return states;
}

// A base class for such a loss: the states are cleared at every epoch and saved in checkpoints.
template <class State>
struct CarriedStates {
  States<State> states;
  void start_epoch() { states.clear(); }
  TensorMap<scalar_t<State>> state() const { return state_tensors(states); }
  void load_state(const TensorMap<scalar_t<State>>& tensors) { states = states_from<State>(tensors); }
};

}  // namespace unroll
