// run_steps: a layer in one direction, on the path that is asked for. Internal to Recurrent.
#pragma once

#include "layers/module.hpp"
#include "layers/recurrent/batch_layout.hpp"
#include "layers/recurrent/cell.hpp"

namespace unroll {

class LayerScope;

namespace detail {

struct StepMode;

// Returns a second cell with these parameters, which begin at inputs[first].
template <class Cell>
Cell cell_with(const Cell& cell, const VarList<scalar_t<Cell>>& inputs, std::size_t first) {
  Cell with = share(cell);
  for_each_parameter(with, [&](const std::string&, Var<scalar_t<Cell>>& var) { var = inputs[first++]; });
  return with;
}

// Returns a state of the Vars that follow x in inputs; like: any state of the cell.
template <class State, class S = scalar_t<State>>
State state_with(const State& like, const VarList<S>& inputs) {
  std::size_t next = 1;
  return map_state(like, [&](const Var<S>&) { return inputs[next++]; });
}

// The rule of an op for a backward pass that is itself recorded: runs the layer again on the current tape,
// from copies of the inputs (x, the state's Vars, the cell's parameters), so that only this op is
// differentiated, not what computed its inputs. run(cell, x, state) returns a LayerResult.
template <class Cell, class Run>
VarList<scalar_t<Cell>> gradients_on_tape(const Cell& cell, const state_t<Cell>& like,
                                          const VarList<scalar_t<Cell>>& inputs,
                                          const VarList<scalar_t<Cell>>& upstream,
                                          const NeedsGrad& needs_grad, Run&& run) {
  VarList<scalar_t<Cell>> copies;
  for (const auto& in : inputs) copies.push_back(in * 1.0);
  const auto result = run(cell_with(cell, copies, 1 + count_vars(like)), copies[0], state_with(like, copies));
  return layer_gradients(layer_outputs(result), upstream, copies, needs_grad, /*create_graph=*/true);
}

// Runs a layer in one direction: by the cell's kernel, by the program of its step, or op by op.
template <class Cell>
LayerResult<scalar_t<Cell>, state_t<Cell>> run_steps(const Cell& cell, const Var<scalar_t<Cell>>& x,
                                                     state_t<Cell> state, const bptt::BatchLayout& steps,
                                                     const StepMode& mode, LayerScope* scope = nullptr);

}  // namespace detail
}  // namespace unroll
