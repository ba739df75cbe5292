#include "layers/recurrent/unroll.hpp"

#include <optional>
#include <utility>
#include <vector>

#include "framework/ops.hpp"

namespace unroll::detail {
namespace {

// Concatenates the rows of all steps in time order; leaves out empty Vars (steps without rows).
template <class S>
Var<S> join_steps(std::vector<Var<S>> steps, bool packed) {
  std::erase_if(steps, [](const Var<S>& v) { return !v.defined(); });
  return packed ? concat(steps, 0) : stack(steps, 0);
}

}  // namespace

template <class S>
VarList<S> unroll_steps(const AnyCell<S>& cell, const StepRegularizer& regularizer, const Var<S>& x,
                        VarList<S> state, const bptt::BatchLayout& layout, bool all_states,
                        LayerScope* scope) {
  const bool packed = x.dimension() == 2;
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
  // By Var of the state, then by step; only h, unless all states are requested.
  std::vector<std::vector<Var<S>>> kept(cell.state_count());
  for (std::size_t i = 0; i < kept.size(); ++i) {
    if (all_states || i == cell.hidden) kept[i].resize(layout.count());
  }
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
    VarList<S> alive = state;
    for (Var<S>& var : alive) {
      if (!all) var = slice(var, 0, {0, rows});
    }
    VarList<S> next = regularizer.step(cell, x_t, alive);
    for (std::size_t i = 0; i < next.size(); ++i) {
      if (!kept[i].empty()) kept[i][t] = next[i];
      state[i] = all ? std::move(next[i])
                     : concat(std::vector<Var<S>>{next[i], slice(state[i], 0, {rows, std::nullopt})}, 0);
    }
  }
  VarList<S> outputs{join_steps(std::move(kept[cell.hidden]), packed)};
  for (Var<S>& var : state) outputs.push_back(std::move(var));
  for (std::size_t i = 0; all_states && i < kept.size(); ++i) {
    if (i != cell.hidden) outputs.push_back(join_steps(std::move(kept[i]), packed));
  }
  return outputs;
}

template <class S>
VarList<S> layer_gradients(const VarList<S>& outputs, const VarList<S>& upstream, const VarList<S>& inputs,
                           const NeedsGrad& needs_grad, bool create_graph) {
  std::vector<Var<S>> used, seeds, wanted;
  for (std::size_t k = 0; k < outputs.size(); ++k) {
    if (!upstream[k].defined()) continue;
    used.push_back(outputs[k]);
    seeds.push_back(upstream[k]);
  }
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    if (needs_grad[i]) wanted.push_back(inputs[i]);
  }
  auto found = gradients(used, wanted, seeds, create_graph);
  VarList<S> result(inputs.size());
  std::size_t at = 0;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    if (needs_grad[i]) result[i] = std::move(found[at++]);
  }
  return result;
}

#define UNROLL_INSTANTIATE(S)                                                                            \
  template VarList<S> unroll_steps(const AnyCell<S>&, const StepRegularizer&, const Var<S>&, VarList<S>, \
                                   const bptt::BatchLayout&, bool, LayerScope*);                         \
  template VarList<S> layer_gradients(const VarList<S>&, const VarList<S>&, const VarList<S>&,           \
                                      const NeedsGrad&, bool);
UNROLL_INSTANTIATE(float)
UNROLL_INSTANTIATE(double)
#undef UNROLL_INSTANTIATE

}  // namespace unroll::detail
