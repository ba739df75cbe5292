// Hand-derived kernels on the tape: a grid of passes as one op.
#pragma once

#include <algorithm>
#include <iterator>
#include <optional>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "framework/joint.hpp"
#include "framework/threads.hpp"
#include "layers/recurrent/kernel.hpp"
#include "layers/recurrent/schedule.hpp"
#include "layers/recurrent/unroll.hpp"

namespace unroll::detail {

template <class Cell>
VarList<scalar_t<Cell>> to_inputs(const Cell& cell, const Var<scalar_t<Cell>>& x,
                                  const state_t<Cell>& state) {
  VarList<scalar_t<Cell>> inputs;
  inputs.reserve(16);
  inputs.push_back(x);
  for_each_in_state(state, [&](const auto& var) { inputs.push_back(var); });
  Cell::each(cell, [&](std::string_view, const auto& member) {
    if constexpr (is_parameter<std::remove_cvref_t<decltype(member)>>) inputs.push_back(member);
  });
  return inputs;
}

// The way back: a state and a cell with what the list holds from `next` on.
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

// The numbers in the matrices of a cell: how much work a row is.
template <class S>
std::size_t matrix_numbers(const VarList<S>& inputs, std::size_t state_vars) {
  std::size_t numbers = 0;
  for (std::size_t i = 1 + state_vars; i < inputs.size(); ++i) {
    if (inputs[i].defined() && inputs[i].dimension() == 2) numbers += inputs[i].size();
  }
  return numbers;
}
template <class Cell>
std::size_t matrix_numbers(const Cell& cell) {
  std::size_t numbers = 0;
  Cell::each(cell, [&](std::string_view, const auto& member) {
    if constexpr (is_parameter<std::remove_cvref_t<decltype(member)>>) {
      if (member.defined() && member.dimension() == 2) numbers += member.size();
    }
  });
  return numbers;
}

template <class S>
bool any_defined(const VarList<S>& list) {
  return std::any_of(list.begin(), list.end(), [](const Var<S>& var) { return var.defined(); });
}

// A grid of passes as one op. Passes are ordered as they run; on the tape the last one comes first, as it
// would with one op for each, so that gradients of what several passes have read are summed in the same
// order. Inputs: those of all passes, of a stack the x of the first one only. Outputs: those of all passes
// (layer_outputs), of a stack the sequence of the last one only.
template <class Cell>
struct GridRule {
  using S = scalar_t<Cell>;
  using Kernel = typename Cell::Kernel;
  struct Pass {
    decltype(Cell::options) options;
    bptt::BatchLayout layout;
    VarList<S> inputs;
    typename Kernel::Forward::Result result;
  };

  Grid grid;
  bool all_states;
  std::size_t state_vars;
  PooledVector<Pass> passes;

  bool is_fed(std::size_t p) const noexcept { return grid == Grid::stacked && p > 0; }
  bool feeds(std::size_t p) const noexcept { return grid == Grid::stacked && p + 1 < passes.size(); }

  VarList<S> inputs() const {
    VarList<S> all;
    for (std::size_t p = passes.size(); p-- > 0;)
      all.insert(all.end(), passes[p].inputs.begin() + (is_fed(p) ? 1 : 0), passes[p].inputs.end());
    return all;
  }
  VarList<S> outputs() const {
    VarList<S> all;
    for (std::size_t p = passes.size(); p-- > 0;) {
      VarList<S> own = passes[p].result.outputs(all_states);
      if (passes.size() == 1) return own;
      all.insert(all.end(), own.begin() + (feeds(p) ? 1 : 0), own.end());
    }
    return all;
  }

  VarList<S> operator()(const VarList<S>& upstream, const Needed& needed) const {
    if (Tape::is_recording()) return on_tape(upstream, needed);
    if (passes.size() == 1) {
      const Pass& pass = passes[0];
      typename Kernel::Backward backward(pass.options, pass.inputs, pass.layout, pass.result, upstream,
                                         needed);
      const bptt::TimeChunk all(pass.layout);
      backward.run(all, upstream[0].defined() ? upstream[0].data() : nullptr);
      backward.run_input(all);
      backward.run_weights();
      return std::move(backward.gradients);
    }
    const std::size_t count = passes.size(), per_pass = 1 + state_vars + (all_states ? state_vars - 1 : 0);
    PooledVector<VarList<S>> arriving(count), gradients(count);
    PooledVector<Needed> wanted(count);
    auto up = upstream.begin();
    auto want = needed.begin();
    for (std::size_t p = count; p-- > 0;) {
      if (feeds(p)) arriving[p].emplace_back();
      if (is_fed(p)) wanted[p].push_back(0);
      const auto outputs = static_cast<std::ptrdiff_t>(per_pass - arriving[p].size());
      const auto inputs = static_cast<std::ptrdiff_t>(passes[p].inputs.size() - wanted[p].size());
      arriving[p].insert(arriving[p].end(), up, up + outputs);
      wanted[p].insert(wanted[p].end(), want, want + inputs);
      up += outputs;
      want += inputs;
    }
    for (std::size_t p = 1; p < count; ++p) {  // what feeds a pass wants the gradient of its x
      if (is_fed(p))
        wanted[p][0] = std::find(wanted[p - 1].begin(), wanted[p - 1].end(), 1) != wanted[p - 1].end();
    }
    by_kernel(arriving, wanted, gradients);
    VarList<S> all;
    all.reserve(needed.size());
    for (std::size_t p = count; p-- > 0;)
      std::move(gradients[p].begin() + (is_fed(p) ? 1 : 0), gradients[p].end(), std::back_inserter(all));
    return all;
  }

 private:
  // By pass: the gradients that arrive at its outputs, and for which of its inputs one is wanted.
  void by_kernel(std::span<const VarList<S>> upstream, std::span<const Needed> needed,
                 std::span<VarList<S>> gradients) const;
  // As recorded ops: runs the cells on the tape again and differentiates that, so that second and higher
  // derivatives of the kernel exist.
  VarList<S> on_tape(const VarList<S>& upstream, const Needed& needed) const;
};

template <class Cell>
void GridRule<Cell>::by_kernel(std::span<const VarList<S>> upstream, std::span<const Needed> needed,
                               std::span<VarList<S>> gradients) const {
  const std::size_t count = passes.size();
  // A pass runs if a gradient is wanted and one arrives, from above or by way of the pass that it feeds.
  PooledVector<std::size_t> running;  // the last one first
  PooledVector<std::size_t> weights;
  bool arrives = false;
  for (std::size_t p = count; p-- > 0;) {
    gradients[p].resize(passes[p].inputs.size());
    arrives = any_defined(upstream[p]) || (feeds(p) && arrives);
    if (!arrives || std::find(needed[p].begin(), needed[p].end(), 1) == needed[p].end()) continue;
    running.push_back(p);
    weights.push_back(matrix_numbers(passes[p].inputs, state_vars));
  }
  if (running.empty()) return;

  const bptt::BatchLayout& layout = passes[running.front()].layout;
  const bool at_once = passes_at_once(grid, layout, weights);
  const PooledVector<bptt::TimeChunk> chunks = bptt::time_chunks(layout, chunk_count(grid, at_once));
  PooledVector<std::optional<typename Kernel::Backward>> backward(count);
  run_schedule(grid, at_once, running.size(), chunks.size(), [&](std::size_t position, std::size_t stage) {
    const std::size_t p = running[position], last = chunks.size();
    const Pass& pass = passes[p];
    if (stage == 0) {
      backward[p].emplace(pass.options, pass.inputs, pass.layout, pass.result, upstream[p], needed[p]);
    } else if (stage <= last) {
      const bool is_above = feeds(p) && backward[p + 1].has_value();
      const Var<S>& up = is_above ? backward[p + 1]->gradients[0] : upstream[p][0];
      const auto run = [&](const bptt::TimeChunk& steps) {
        backward[p]->run(steps, up.defined() ? up.data() : nullptr);
        backward[p]->run_input(steps);
      };
      grid == Grid::stacked ? run(chunks[last - stage]) : run(bptt::TimeChunk(pass.layout));
    } else {
      backward[p]->run_weights();
    }
  });
  for (const std::size_t p : running) gradients[p] = std::move(backward[p]->gradients);
}

template <class Cell>
auto GridRule<Cell>::on_tape(const VarList<S>& upstream, const Needed& needed) const -> VarList<S> {
  // Copies, so that only this op is differentiated and not what its inputs were computed from.
  VarList<S> copies;
  for (const Var<S>& in : inputs()) copies.push_back(in.defined() ? in * 1.0 : Var<S>());
  std::vector<VarList<S>> made(passes.size());
  const Var<S>* end = copies.data() + copies.size();  // of the pass's own inputs
  Var<S> x;
  for (std::size_t p = 0; p < passes.size(); ++p) {
    const Var<S>* next = end - (passes[p].inputs.size() - (is_fed(p) ? 1 : 0));
    end = next;
    if (!is_fed(p)) x = *next++;
    auto [cell, state] = from_inputs<Cell>(passes[p].options, next);
    // Those of a stack as ops of their own, which are differentiated one by one: the same bits as layer by
    // layer.
    made[p] = layer_outputs(grid == Grid::stacked
                                ? run_fused(cell, x, state, passes[p].layout, all_states)
                                : unroll_steps(cell, x, std::move(state), passes[p].layout, all_states));
    x = made[p][0];
  }
  VarList<S> outputs;
  for (std::size_t p = passes.size(); p-- > 0;)
    outputs.insert(outputs.end(), made[p].begin() + (feeds(p) ? 1 : 0), made[p].end());
  return layer_gradients(outputs, upstream, copies, needed, /*create_graph=*/true);
}

// Runs cells over a sequence by their kernel, each from its state: side by side or stacked, on two threads
// where at_once says so. On the tape they are one op; the results are the same bits however they run.
// layouts: one for each cell. Of a stack only the last result has the output of the sequence.
template <class Cell>
PooledVector<LayerResult<scalar_t<Cell>, state_t<Cell>>> run_grid(Grid grid, std::span<const Cell> cells,
                                                                  const Var<scalar_t<Cell>>& x,
                                                                  std::span<const state_t<Cell>> states,
                                                                  std::span<const bptt::BatchLayout> layouts,
                                                                  bool all_states, bool at_once) {
  using S = scalar_t<Cell>;
  using Kernel = typename Cell::Kernel;
  const std::size_t count = cells.size();
  const bool keep = Tape::is_recording();
  GridRule<Cell> rule{grid, all_states, count_vars(states[0]), {}};
  rule.passes.reserve(count);
  for (std::size_t p = 0; p < count; ++p) {
    rule.passes.push_back(
        {cells[p].options, layouts[p], to_inputs(cells[p], rule.is_fed(p) ? Var<S>() : x, states[p]), {}});
  }
  const PooledVector<bptt::TimeChunk> chunks = bptt::time_chunks(layouts[0], chunk_count(grid, at_once));
  PooledVector<std::optional<typename Kernel::Forward>> forward(count);
  run_schedule(grid, at_once, count, chunks.size(), [&](std::size_t p, std::size_t stage) {
    if (stage == 0) {
      Shape shape = x.shape();
      if (rule.is_fed(p)) shape.back() = rule.passes[p].inputs[1 + rule.state_vars].shape(1);
      forward[p].emplace(cells[p].options, shape, rule.passes[p].inputs, layouts[p], keep || all_states);
    } else if (stage <= chunks.size()) {
      const S* input = rule.is_fed(p) ? forward[p - 1]->result.output.data() : x.data();
      if (grid == Grid::stacked) {
        forward[p]->run(chunks[stage - 1], input);
      } else {
        forward[p]->run(bptt::TimeChunk(layouts[p]), input);
      }
    }
  });

  PooledVector<LayerResult<S, state_t<Cell>>> results;
  for (std::size_t p = 0; p < count; ++p) {
    rule.passes[p].result = std::move(forward[p]->result);
    if (rule.is_fed(p)) rule.passes[p].inputs[0] = rule.passes[p - 1].result.output;
    results.push_back(layer_result<S>(rule.passes[p].result.outputs(all_states), states[p], all_states));
  }
  if (!keep) return results;
  VarList<S> outputs = rule.outputs();
  const VarList<S> inputs = rule.inputs();
  record_joint<S>(Kernel::kOp, outputs, inputs, std::move(rule));
  return results;
}

template <class Cell>
LayerResult<scalar_t<Cell>, state_t<Cell>> run_fused(const Cell& cell, const Var<scalar_t<Cell>>& x,
                                                     const state_t<Cell>& state,
                                                     const bptt::BatchLayout& layout, bool all_states) {
  using S = scalar_t<Cell>;
  using Kernel = typename Cell::Kernel;
  const bool keep = Tape::is_recording();
  VarList<S> inputs = to_inputs(cell, x, state);
  typename Kernel::Forward forward(cell.options, x.shape(), inputs, layout, keep || all_states);
  forward.run(bptt::TimeChunk(layout), x.data());
  VarList<S> outputs = forward.result.outputs(all_states);
  LayerResult<S, state_t<Cell>> result = layer_result<S>(outputs, state, all_states);
  if (!keep) return result;
  GridRule<Cell> rule{Grid::side_by_side, all_states, count_vars(state), {}};
  rule.passes.push_back({cell.options, layout, std::move(inputs), std::move(forward.result)});
  const std::span<const Var<S>> read =
      rule.passes[0].inputs;  // these stay where they are when the rule moves
  record_joint<S>(Kernel::kOp, outputs, read, std::move(rule));
  return result;
}

template <class Cell>
std::array<LayerResult<scalar_t<Cell>, state_t<Cell>>, 2> run_fused_directions(
    std::span<const Cell, 2> cells, const Var<scalar_t<Cell>>& x, std::span<const state_t<Cell>, 2> states,
    const std::array<bptt::BatchLayout, 2>& layouts, bool all_states) {
  const std::array<std::size_t, 2> weights{matrix_numbers(cells[0]), matrix_numbers(cells[1])};
  auto results = run_grid<Cell>(Grid::side_by_side, cells, x, states, layouts, all_states,
                                passes_at_once(Grid::side_by_side, layouts[0], weights));
  return {std::move(results[0]), std::move(results[1])};
}

template <class Cell>
bool run_fused_stack(std::span<const Cell> cells, Var<scalar_t<Cell>>& sequence,
                     States<state_t<Cell>>& states, const bptt::BatchLayout& layout) {
  if (num_threads() < 2) return false;
  PooledVector<std::size_t> weights;
  for (const Cell& cell : cells) weights.push_back(matrix_numbers(cell));
  if (!passes_at_once(Grid::stacked, layout, weights)) return false;
  const PooledVector<bptt::BatchLayout> layouts(cells.size(), layout);
  auto results = run_grid<Cell>(Grid::stacked, cells, sequence, states, layouts, /*all_states=*/false,
                                /*at_once=*/true);
  for (std::size_t k = 0; k < results.size(); ++k) states[k] = std::move(results[k].state);
  sequence = std::move(results.back().output);
  return true;
}

}  // namespace unroll::detail
