// Lists of a layer's inputs, and its second derivatives. Internal to what runs a layer.
#pragma once

#include <cstddef>
#include <memory>
#include <utility>

#include "framework/ops.hpp"
#include "layers/recurrent/any_cell.hpp"
#include "layers/recurrent/unroll.hpp"

namespace unroll::detail {

// Returns x, the state's Vars, and the cell's parameters.
template <class S>
VarList<S> inputs_of(const AnyCell<S>& cell, const Var<S>& x, const VarList<S>& state) {
  VarList<S> inputs{x};
  inputs.insert(inputs.end(), state.begin(), state.end());
  for (Var<S>& var : cell.parameters()) inputs.push_back(std::move(var));
  return inputs;
}

// The state among inputs.
template <class S>
VarList<S> state_in(const AnyCell<S>& cell, const VarList<S>& inputs) {
  const auto begin = inputs.begin() + 1;
  return VarList<S>(begin, begin + static_cast<std::ptrdiff_t>(cell.state_count()));
}

// Returns a second cell with the parameters among inputs.
template <class S>
std::shared_ptr<const AnyCell<S>> cell_with(const AnyCell<S>& cell, const VarList<S>& inputs) {
  return cell.with(inputs.data() + 1 + cell.state_count());
}

// The rule of an op for a backward pass that is itself recorded: runs the layer again on the current tape,
// from copies of the inputs, so that only this op is differentiated, not what computed its inputs.
// run(cell, x, state) returns the layer's outputs.
template <class S, class Run>
VarList<S> gradients_on_tape(const AnyCell<S>& cell, const VarList<S>& inputs, const VarList<S>& upstream,
                             const NeedsGrad& needs_grad, Run&& run) {
  VarList<S> copies;
  for (const auto& in : inputs) copies.push_back(in * 1.0);
  const auto with = cell_with(cell, copies);
  return layer_gradients(run(*with, copies[0], state_in(cell, copies)), upstream, copies, needs_grad,
                         /*create_graph=*/true);
}

}  // namespace unroll::detail
