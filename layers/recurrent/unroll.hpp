// unroll_steps: runs a cell over a sequence, op by op. Internal to Recurrent and to the fused layers.
#pragma once

#include <optional>
#include <utility>
#include <vector>

#include "framework/anomaly.hpp"
#include "framework/ops.hpp"
#include "layers/recurrent/batch_layout.hpp"
#include "layers/recurrent/cell.hpp"

namespace unroll::detail {

// Concatenates the rows of all steps in time order; leaves out empty Vars (steps without rows).
template <class S>
Var<S> join_steps(std::vector<Var<S>> steps, bool packed) {
  std::erase_if(steps, [](const Var<S>& v) { return !v.defined(); });
  return packed ? concat(steps, 0) : stack(steps, 0);
}

// Runs one layer in one direction op by op: the specification of every other path. x (T,B,I), or packed
// (N,I). regularizer: a StepRegularizer.
template <class Cell, class Regularizer>
LayerResult<scalar_t<Cell>, state_t<Cell>> unroll_steps(const Cell& cell, const Regularizer& regularizer,
                                                        const Var<scalar_t<Cell>>& x, state_t<Cell> state,
                                                        const bptt::BatchLayout& layout,
                                                        bool all_states = false,
                                                        LayerScope* scope = nullptr) {
  using S = scalar_t<Cell>;
  const bool packed = x.dimension() == 2;
  const state_t<Cell> initial = state;
  // By Var of the state, then by step; only h, unless all states are requested.
  std::vector<std::vector<Var<S>>> kept;
  // On a tape x is split once: a slice per step would need a gradient of x's full size per step. Not under
  // DetectNonfinite, which then finds a NaN of x at its time step.
  const bool at_once = Tape::is_recording() && !DetectNonfinite::active();
  std::vector<Var<S>> inputs;
  if (at_once && packed) {
    std::vector<Index> sizes;
    for (std::size_t t = 0; t < layout.count(); ++t)
      sizes.push_back(static_cast<Index>(layout.batch_size(t)));
    inputs = split(x, sizes);
  } else if (at_once) {
    inputs = unbind(x);
  }
  std::vector<Var<S>> outputs(layout.count());
  for_each_in_state(state, [&](const auto&) { kept.emplace_back(all_states ? layout.count() : 0); });
  for (std::size_t k = 0; k < layout.count(); ++k) {
    const std::size_t t = layout.time(k);
    const auto rows = static_cast<Index>(layout.batch_size(t)), first = static_cast<Index>(layout.offset(t));
    // If no sequence has a step, one step runs with no rows, so that the outputs have its shapes and are on
    // the tape.
    if (rows == 0 && (layout.total > 0 || k > 0)) continue;
    if (scope != nullptr) scope->set_step(static_cast<Index>(t));
    const Var<S> x_t = at_once  ? inputs[t]
                       : packed ? slice(x, 0, {first, first + rows})
                                : select(x, 0, static_cast<Index>(t));
    // Ended sequences keep their state: only the active rows run.
    const bool all = layout.batch_size(t) == layout.batch;
    const state_t<Cell> alive = all ? state : map_state(state, [&](const Var<S>& v) {
      return slice(v, 0, {0, rows});
    });
    state_t<Cell> next = regularizer.step(cell, x_t, alive);
    outputs[t] = hidden_of<S>(next);
    if (all_states) {
      std::size_t part = 0;
      for_each_in_state(next, [&](const auto& var) { kept[part++][t] = var; });
    }
    if (all) {
      state = std::move(next);
    } else {
      state = map_states(next, state, [&](const Var<S>& fresh, const Var<S>& old) {
        return concat(std::vector<Var<S>>{fresh, slice(old, 0, {rows, std::nullopt})}, 0);
      });
    }
  }
  LayerResult<S, state_t<Cell>> result;
  result.output = join_steps(std::move(outputs), packed);
  if (all_states) {
    std::size_t part = 0;
    result.all =
        map_state(initial, [&](const Var<S>&) { return join_steps(std::move(kept[part++]), packed); });
  }
  result.state = std::move(state);
  return result;
}

}  // namespace unroll::detail
