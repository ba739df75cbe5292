// Puts a hand-derived sequence kernel on the tape as one op. Internal to the cells that have one.
#pragma once

#include <algorithm>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "layers/bptt/wanted.hpp"
#include "layers/layer_op.hpp"
#include "layers/run_on_tape.hpp"
#include "layers/state.hpp"

namespace unroll::detail {

// The inputs of a fused op in one order: x, the state's Vars, the cell's parameters (absent ones undefined).
template <class Cell>
VarList<scalar_t<Cell>> fused_inputs(const Cell& cell, const Var<scalar_t<Cell>>& x,
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

// The gradients of the fused op as recorded ops: runs the cell on the tape again and differentiates that, so
// that second and higher derivatives of the kernel exist.
template <class Cell>
VarList<scalar_t<Cell>> differentiate_on_tape(const decltype(Cell::options)& options,
                                              const VarList<scalar_t<Cell>>& inputs, const bptt::Steps& steps,
                                              const VarList<scalar_t<Cell>>& upstream, const Needed& needed) {
  using S = scalar_t<Cell>;
  // Copies, so that only this op is differentiated and not what its inputs were computed from.
  VarList<S> copies;
  for (const Var<S>& in : inputs) copies.push_back(in.defined() ? in * 1.0 : Var<S>());
  std::size_t next = 1;
  Cell cell;
  cell.options = options;
  state_t<Cell> state;
  for_each_in_state(state, [&](auto& var) { var = copies[next++]; });
  const std::size_t state_vars = next - 1;
  Cell::each(cell, [&](std::string_view, auto& member) {
    if constexpr (is_parameter<std::remove_cvref_t<decltype(member)>>) member = copies[next++];
  });

  const bool all_states = upstream.size() > state_vars + 1;
  const auto result = run_on_tape(cell, copies[0], std::move(state), steps, all_states);
  return layer_gradients(layer_outputs(result), upstream, copies, needed, /*create_graph=*/true);
}

// The tensor behind an optional Var, or null.
template <class S>
const Tensor<S>* tensor_or_null(const Var<S>& var) {
  return var.defined() ? &var.value() : nullptr;
}

// Which gradients a kernel is to compute; needed in the order of fused_inputs, of a cell that lists
// weight_ih, weight_hh, bias_ih, bias_hh and then maybe weight_hr.
inline bptt::Wanted wanted_gradients(const Needed& needed, std::size_t state_vars) {
  const auto begin = needed.begin() + 1, states_end = begin + static_cast<std::ptrdiff_t>(state_vars);
  return {.x = needed[0] != 0,
          .state = std::find(begin, states_end, 1) != states_end,
          .weight_ih = states_end[0] != 0,
          .weight_hh = states_end[1] != 0,
          .bias_ih = states_end[2] != 0,
          .bias_hh = states_end[3] != 0,
          .weight_hr = needed.end() - states_end > 4 && states_end[4] != 0};
}

// A kernel's gradients in a list with room for those of all inputs.
template <class S, class... Gradients>
VarList<S> gradient_list(std::size_t inputs, Gradients&&... gradients) {
  VarList<S> list;
  list.reserve(std::max(inputs, sizeof...(gradients)));
  (list.push_back(std::forward<Gradients>(gradients)), ...);
  return list;
}

// What a cell's kernel makes of a sequence: its results, as constants, and their rule:
// rule(inputs, steps, upstream, needed) returns one gradient per input, in the order of fused_inputs, as far
// as the kernel has them; what stands for one not needed is not used.
template <class S, class State, class Rule>
struct FusedPass {
  LayerResult<S, State> result;
  Rule rule;
};
template <class S, class State, class Rule>
FusedPass(LayerResult<S, State>, Rule) -> FusedPass<S, State, Rule>;

// The rule of a fused op. upstream: in the order of layer_outputs.
template <class Cell, class Rule>
struct FusedRule {
  using S = scalar_t<Cell>;
  VarList<S> inputs;
  bptt::Steps steps;
  decltype(Cell::options) options;
  Rule rule;

  VarList<S> operator()(const VarList<S>& upstream, const Needed& needed) const {
    if (Tape::is_recording()) return differentiate_on_tape<Cell>(options, inputs, steps, upstream, needed);
    return by_kernel(upstream, needed);
  }
  VarList<S> by_kernel(const VarList<S>& upstream, const Needed& needed) const {
    VarList<S> gradients = rule(inputs, steps, upstream, needed);
    gradients.resize(inputs.size());  // parameters of options that the kernel has not
    return gradients;
  }
};

template <class Cell, class Rule>
FusedRule<Cell, Rule> fused_rule(const Cell& cell, const Var<scalar_t<Cell>>& x, const state_t<Cell>& state,
                                 const bptt::Steps& steps, Rule&& rule) {
  return {fused_inputs(cell, x, state), steps, cell.options, std::forward<Rule>(rule)};
}

// Puts a pass on the tape as one op, and returns its results.
template <class Cell, class Rule>
LayerResult<scalar_t<Cell>, state_t<Cell>> record_fused(const char* op, const Cell& cell,
                                                        const Var<scalar_t<Cell>>& x,
                                                        const state_t<Cell>& state, const bptt::Steps& steps,
                                                        FusedPass<scalar_t<Cell>, state_t<Cell>, Rule> pass) {
  using S = scalar_t<Cell>;
  if (!Tape::is_recording()) return std::move(pass.result);
  auto rule = fused_rule(cell, x, state, steps, std::move(pass.rule));
  const std::span<const Var<S>> inputs = rule.inputs;  // these stay where they are when the rule moves
  VarList<S> outputs = layer_outputs(pass.result);
  record_joint<S>(op, outputs, inputs, std::move(rule));
  return std::move(pass.result);
}

}  // namespace unroll::detail
