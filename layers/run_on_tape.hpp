// run_on_tape: a cell over a sequence, op by op. Internal to Recurrent and to the fused layers.
#pragma once

#include <optional>
#include <utility>
#include <vector>

#include "framework/anomaly.hpp"
#include "framework/ops.hpp"
#include "layers/bptt/steps.hpp"
#include "layers/state.hpp"
#include "layers/step_regularizer.hpp"

namespace unroll::detail {

// The rows of all steps, in the order of time; empty Vars (steps without rows) are left out.
template <class S>
Var<S> join_steps(std::vector<Var<S>> steps, bool packed) {
  std::erase_if(steps, [](const Var<S>& v) { return !v.defined(); });
  return packed ? concat(steps, 0) : stack(steps, 0);
}

// One layer in one direction, op by op: the specification of every fused path. x (T,B,I), or packed (N,I).
template <class Cell>
LayerResult<scalar_t<Cell>, state_t<Cell>> run_on_tape(
    const Cell& cell, const Var<scalar_t<Cell>>& x, state_t<Cell> state, const bptt::Steps& steps,
    bool all_states = false, const StepRegularizer<scalar_t<Cell>>* regularizer = nullptr,
    LayerScope* scope = nullptr) {
  using S = scalar_t<Cell>;
  const bool packed = x.dimension() == 2;
  const state_t<Cell> initial = state;
  // By Var of the state, then by step; the hidden one only, unless all are asked for.
  std::vector<std::vector<Var<S>>> kept;
  // On a tape x is cut once: a slice per step would cost a gradient of x's full size per step. Not when
  // looking for NaN, which is then found at its time step.
  const bool at_once = Tape::is_recording() && !DetectNonfinite::active();
  std::vector<Var<S>> inputs;
  if (at_once && packed) {
    std::vector<Index> sizes;
    for (std::size_t t = 0; t < steps.count(); ++t) sizes.push_back(static_cast<Index>(steps.rows(t)));
    inputs = split(x, sizes);
  } else if (at_once) {
    inputs = unbind(x);
  }
  std::vector<Var<S>> outputs(steps.count());
  for_each_in_state(state, [&](const auto&) { kept.emplace_back(all_states ? steps.count() : 0); });
  for (std::size_t k = 0; k < steps.count(); ++k) {
    const std::size_t t = steps.time(k);
    const auto rows = static_cast<Index>(steps.rows(t)), first = static_cast<Index>(steps.offset(t));
    // Where nobody has a step one is run with no rows, so that the outputs have its shapes and are on the
    // tape.
    if (rows == 0 && (steps.total > 0 || k > 0)) continue;
    if (scope != nullptr) scope->set_step(static_cast<Index>(t));
    const Var<S> x_t = at_once  ? inputs[t]
                       : packed ? slice(x, 0, {first, first + rows})
                                : select(x, 0, static_cast<Index>(t));
    // Sequences that have ended keep their state: only the alive rows take part.
    const bool all = steps.rows(t) == steps.batch;
    const state_t<Cell> alive = all ? state : map_state(state, [&](const Var<S>& v) {
      return slice(v, 0, {0, rows});
    });
    state_t<Cell> next = regularizer != nullptr ? regularizer->step(cell, x_t, alive) : cell.step(x_t, alive);
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
