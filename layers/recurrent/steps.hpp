// run_steps: a layer in one direction, on the path that is asked for. Internal to Recurrent.
#pragma once

#include "layers/recurrent/batch_layout.hpp"
#include "layers/recurrent/cell.hpp"

namespace unroll {

class LayerScope;

namespace detail {

template <class S>
class StepRegularizer;

// How a layer runs in one direction, besides its cell.
template <class S>
struct StepMode {
  bool fused = false;
  bool compiled = false;  // if the step can be
  bool all_states = false;
  const StepRegularizer<S>* regularizer = nullptr;  // null: none
};

// Runs a layer in one direction: by the cell's kernel, by the program of its step, or op by op.
template <class Cell>
LayerResult<scalar_t<Cell>, state_t<Cell>> run_steps(const Cell& cell, const Var<scalar_t<Cell>>& x,
                                                     state_t<Cell> state, const bptt::BatchLayout& steps,
                                                     const StepMode<scalar_t<Cell>>& mode,
                                                     LayerScope* scope = nullptr);

}  // namespace detail
}  // namespace unroll
