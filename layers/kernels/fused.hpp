// Hand-derived kernels on the tape: a grid of passes as one op. Included by the .cpp files of cells with a
// kernel.
#pragma once

#include <array>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "framework/multi_output.hpp"
#include "framework/threads.hpp"
#include "layers/kernels/grid.hpp"
#include "layers/recurrent/cell_of.hpp"
#include "layers/recurrent/unroll.hpp"

namespace unroll::detail {

// The inverse of to_inputs(): returns a cell and a state from the list, starting at `next`.
template <class Cell, class S = scalar_t<Cell>>
std::pair<Cell, state_t<Cell>> from_inputs(const decltype(Cell::options)& options, const Var<S>* next) {
  std::pair<Cell, state_t<Cell>> result;
  auto& [cell, state] = result;
  cell.options = options;
  for_each_in_state(state, [&](auto& var) { var = *next++; });
  Cell::each(cell, [&](std::string_view, auto& member) {
    if constexpr (is_parameter<std::remove_cvref_t<decltype(member)>>) member = *next++;
  });
  return result;
}

// The op: the passes, and what is needed to run their cells on the tape instead, so that second and higher
// derivatives of the kernel exist.
template <class Cell>
struct FusedOp {
  using S = scalar_t<Cell>;
  bptt::PassGrid<S> grid;
  PooledVector<decltype(Cell::options)> options;  // by pass

  FusedOp(Grid kind, bool all_states, const state_t<Cell>& state, std::size_t passes)
      : grid{kind, all_states, count_vars(state), {}} {
    grid.passes.reserve(passes);
    options.reserve(passes);
  }
  void add(const Cell& cell, const Var<S>& x, const state_t<Cell>& state, const bptt::BatchLayout& layout) {
    options.push_back(cell.options);
    grid.passes.emplace_back(cell.kernel(), layout, to_inputs(cell, x, state));
  }
  VarList<S> operator()(const VarList<S>& upstream, const NeedsGrad& needs_grad) const {
    return Tape::is_recording() ? on_tape(upstream, needs_grad) : grid.gradients(upstream, needs_grad);
  }

 private:
  VarList<S> on_tape(const VarList<S>& upstream, const NeedsGrad& needs_grad) const;
};

template <class Cell>
auto FusedOp<Cell>::on_tape(const VarList<S>& upstream, const NeedsGrad& needs_grad) const -> VarList<S> {
  // Copies, so that only this op is differentiated, not what computed its inputs.
  VarList<S> copies;
  for (const Var<S>& in : grid.inputs()) copies.push_back(in.defined() ? in * 1.0 : Var<S>());
  std::vector<VarList<S>> made(grid.passes.size());
  const Var<S>* end = copies.data() + copies.size();  // the end of the pass's inputs
  Var<S> x;
  for (std::size_t p = 0; p < grid.passes.size(); ++p) {
    const auto& pass = grid.passes[p];
    const Var<S>* next = end - (pass.inputs.size() - (grid.is_fed(p) ? 1 : 0));
    end = next;
    if (!grid.is_fed(p)) x = *next++;
    auto [cell, state] = from_inputs<Cell>(options[p], next);
    // Each pass of a stack is a separate op here, differentiated one by one: the same bits as layer by layer.
    made[p] = grid.kind == Grid::stacked ? run_fused(cell, x, state, pass.all.layout, grid.all_states)
                                         : unroll_steps<S>(CellOf<Cell>(cell, state), StepRegularizer(), x,
                                                           vars_of(state), pass.all.layout, grid.all_states);
    x = made[p][0];
  }
  VarList<S> outputs;
  for (std::size_t p = grid.passes.size(); p-- > 0;)
    outputs.insert(outputs.end(), made[p].begin() + (grid.feeds(p) ? 1 : 0), made[p].end());
  return layer_gradients(outputs, upstream, copies, needs_grad, /*create_graph=*/true);
}

// Runs the op and records it, if a tape records. states: for the types of the results. In a stack only the
// last result has the output sequence.
template <class Cell>
PooledVector<LayerResult<scalar_t<Cell>, state_t<Cell>>> run_op(FusedOp<Cell> op,
                                                                const Var<scalar_t<Cell>>& x,
                                                                const state_t<Cell>& state, bool at_once) {
  using S = scalar_t<Cell>;
  auto& [kind, all_states, state_vars, passes] = op.grid;
  const bool keep = Tape::is_recording();
  op.grid.run(x, keep, at_once);
  PooledVector<LayerResult<S, state_t<Cell>>> results;
  results.reserve(passes.size());
  for (auto& pass : passes)
    results.push_back(layer_result<S>(pass.result.outputs(all_states), state, all_states));
  if (!keep) return results;
  VarList<S> outputs = op.grid.outputs();
  const VarList<S> inputs = op.grid.inputs();
  const char* name = passes[0].kernel.unit->op;
  record_multi_output<S>(name, outputs, inputs, std::move(op));
  return results;
}

template <class Cell>
VarList<scalar_t<Cell>> run_fused(const Cell& cell, const Var<scalar_t<Cell>>& x, const state_t<Cell>& state,
                                  const bptt::BatchLayout& layout, bool all_states) {
  using S = scalar_t<Cell>;
  const bool keep = Tape::is_recording();
  FusedOp<Cell> op(Grid::side_by_side, all_states, state, 1);
  op.add(cell, x, state, layout);
  op.grid.run(x, keep, /*at_once=*/false);
  const auto& pass = op.grid.passes[0];
  VarList<S> outputs = pass.result.outputs(all_states);
  if (!keep) return outputs;
  const std::span<const Var<S>> inputs = pass.inputs;  // stays valid when the op moves
  record_multi_output<S>(pass.kernel.unit->op, outputs, inputs, std::move(op));
  return outputs;
}

template <class Cell>
std::array<LayerResult<scalar_t<Cell>, state_t<Cell>>, 2> run_fused_directions(
    std::span<const Cell, 2> cells, const Var<scalar_t<Cell>>& x, std::span<const state_t<Cell>, 2> states,
    const std::array<bptt::BatchLayout, 2>& layouts, bool all_states) {
  FusedOp<Cell> op(Grid::side_by_side, all_states, states[0], 2);
  for (std::size_t d = 0; d < 2; ++d) op.add(cells[d], x, states[d], layouts[d]);
  const bool at_once = op.grid.runs_at_once();
  auto results = run_op(std::move(op), x, states[0], at_once);
  return {std::move(results[0]), std::move(results[1])};
}

template <class Cell>
bool run_fused_stack(std::span<const Cell> cells, Var<scalar_t<Cell>>& sequence,
                     States<state_t<Cell>>& states, const bptt::BatchLayout& layout) {
  if (num_threads() < 2) return false;
  FusedOp<Cell> op(Grid::stacked, /*all_states=*/false, states[0], cells.size());
  for (std::size_t k = 0; k < cells.size(); ++k)
    op.add(cells[k], k == 0 ? sequence : Var<scalar_t<Cell>>(), states[k], layout);
  if (!op.grid.runs_at_once()) return false;
  auto results = run_op(std::move(op), sequence, states[0], /*at_once=*/true);
  for (std::size_t k = 0; k < results.size(); ++k) states[k] = std::move(results[k].state);
  sequence = std::move(results.back().output);
  return true;
}

}  // namespace unroll::detail
