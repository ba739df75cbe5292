// A cell's step as a program, run over a sequence; and the choice between kernel, program and ops. Internal
// to Recurrent.
#pragma once

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "framework/program/run.hpp"
#include "framework/random.hpp"
#include "layers/recurrent/kernel.hpp"
#include "layers/recurrent/options.hpp"
#include "layers/recurrent/step_regularizer.hpp"
#include "layers/recurrent/steps.hpp"
#include "layers/recurrent/unroll.hpp"

namespace unroll::detail {

// Returns the step of a cell, which must outlive it, with its regularizer.
template <class Cell, class S = scalar_t<Cell>>
StepFunction<S> step_function(const Cell& cell, const StepRegularizer& regularizer,
                              const state_t<Cell>& like) {
  return [&cell, regularizer, like](const VarList<S>& rows) {
    VarList<S> next;
    const state_t<Cell> after = regularizer.step(cell, rows[0], state_with(like, rows));
    for_each_in_state(after, [&](const Var<S>& var) { next.push_back(var); });
    return next;
  };
}

// A layer's step as a trace sees it: cell by cell, x (B,I).
template <class Output, class Cell, class S = scalar_t<Cell>>
Output step_by_ops(const std::vector<Cell>& cells, const RecurrentOptions& options, bool training,
                   const Var<S>& x, const States<state_t<Cell>>& states, Rng& rng) {
  const StepRegularizer regularizer(options, training);
  Output result{x, {}};
  for (std::size_t l = 0; l < cells.size(); ++l) {
    if (l > 0 && options.dropout > 0.0 && training)
      result.output = dropout(result.output, options.dropout, rng);
    const auto one_step = bptt::BatchLayout::dense(1, result.output.shape(0), false);
    const Var<S> masked = regularizer.with_masks(result.output, states[l], one_step, rng);
    result.states.push_back(regularizer.step(cells[l], masked, states[l]));
    result.output = hidden_of<S>(result.states.back());
  }
  return result;
}

// Gives the members that a step may change (mutable ones) the values back that they have now: a trace draws
// no random numbers, and leaves counters alone.
template <class Cell>
class KeepMembers {
 public:
  explicit KeepMembers(const Cell& cell) : cell_(cell) {
    for_each([&](Rng& rng) { generators_.push_back(rng); },
             [&](auto& number) { numbers_.push_back(static_cast<long double>(number)); });
  }
  ~KeepMembers() { restore(); }
  KeepMembers(const KeepMembers&) = delete;
  KeepMembers& operator=(const KeepMembers&) = delete;
  // Restores them. Returns whether a number had changed.
  bool restore() {
    auto generator = generators_.begin();
    auto kept = numbers_.begin();
    bool changed = false;
    for_each([&](Rng& rng) { rng = *generator++; },
             [&]<class T>(T& number) {
               const auto before = static_cast<T>(*kept++);
               const T now = std::exchange(number, before);
               changed |= now != before && (now == now || before == before);  // a NaN may stay one
             });
    return changed;
  }

 private:
  template <class OfRng, class OfNumber>
  void for_each(OfRng&& of_rng, OfNumber&& of_number) {
    for_each_slot(cell_, "", [&]<class T>(const std::string&, T& slot) {
      if constexpr (std::is_same_v<T, Rng>) {
        of_rng(slot);
      } else if constexpr (!std::is_const_v<T> && std::is_arithmetic_v<T>) {
        of_number(slot);
      }
    });
  }
  const Cell& cell_;
  std::vector<Rng> generators_;
  std::vector<long double> numbers_;  // exact for every arithmetic type
};

// Returns the position of h among the Vars of a state.
template <class State>
std::size_t hidden_index(const State& state) {
  std::size_t index = 0, next = 0;
  for_each_in_state(state, [&](const auto& var) {
    if (&var == &hidden_of<typename std::remove_cvref_t<decltype(var)>::Scalar>(state)) index = next;
    ++next;
  });
  return index;
}

// The sizes of x and of the state's Vars.
template <class State>
std::vector<std::size_t> widths_of(std::size_t input_size, const State& like) {
  std::vector<std::size_t> widths{input_size};
  for_each_in_state(like, [&](const auto& var) { widths.push_back(var.shape().back()); });
  return widths;
}

// Traces the step: in every call, so that nothing that it depends on can be out of date.
template <class Cell, class S = scalar_t<Cell>>
CompiledStep<S> compile_step(const Cell& cell, const StepRegularizer& regularizer, std::size_t input_size,
                             const state_t<Cell>& like) {
  KeepMembers<Cell> members(cell);
  std::optional<Tape> tape;  // finds what needs a gradient from outside the cell
  if (Tape::is_recording()) tape.emplace();
  const auto fresh = [&] {
    auto copy = std::make_shared<Cell>(share(cell));
    for_each_parameter(*copy, [](const std::string&, Var<S>& var) {
      if (var.requires_grad()) var = parameter(var.value());  // or the cell has a constant among them
    });
    return StepFunction<S>([copy, regularizer, like](const VarList<S>& rows) {
      return step_function(*copy, regularizer, like)(rows);
    });
  };
  CompiledStep<S> step =
      compile<S>(step_function(cell, regularizer, like), fresh, widths_of(input_size, like));
  if (members.restore()) return {nullptr, {}, {}, "step() changes a member"};
  if (!tape || step.program == nullptr) return step;
  VarList<S> own;
  for_each_parameter(cell, [&](const std::string&, const Var<S>& var) { own.push_back(var); });
  if (const auto what = tape->used_from_outside<S>(own); !what.empty()) {
    step.failure = "step() uses a " + what;
    step.program = nullptr;
  }
  return step;
}

// A cell's step in evaluation, for what runs it elsewhere: streams and ONNX.
template <class Cell, class S = scalar_t<Cell>>
CompiledStep<S> compile_for_inference(const Cell& cell, const RecurrentOptions& options) {
  Cell copy = share(cell);
  set_training(copy, false);
  const state_t<Cell> zero = zero_state(cell, 1);
  KeepMembers<Cell> members(copy);
  CompiledStep<S> step =
      compile_forward<S>(step_function(copy, StepRegularizer(options, /*training=*/false), zero),
                         widths_of(static_cast<std::size_t>(cell.options.input), zero));
  if (members.restore()) return {nullptr, {}, {}, "step() changes a member"};
  return step;
}

// The op on the tape. Its inputs are x, the state's Vars and the cell's parameters; then the program's
// constants, without a gradient, so that a change before the backward pass is noticed.
template <class Cell>
struct CompiledOp {
  using S = scalar_t<Cell>;
  using State = state_t<Cell>;
  ProgramRun<S> run;
  bptt::BatchLayout layout;
  Cell cell;
  StepRegularizer regularizer;
  State like;
  NeedsGrad derived;  // by external value of the program
  bool all_states;

  StepRows rows() const {
    return {layout.count(), layout.batch,         layout.total,
            layout.reverse, layout.batch_sizes(), layout.offsets()};
  }
  std::size_t states() const { return count_vars(like); }
  VarList<S> parameters() const {
    VarList<S> list;
    for_each_parameter(cell, [&](const std::string&, const Var<S>& var) { list.push_back(var); });
    return list;
  }
  // upstream: in the order of layer_outputs.
  VarList<S> operator()(const VarList<S>& upstream, const NeedsGrad& needs_grad) const {
    return Tape::is_recording() ? on_tape(upstream, needs_grad) : differentiate(upstream, needs_grad);
  }

 private:
  VarList<S> differentiate(const VarList<S>& upstream, const NeedsGrad& needs_grad) const;
  // Adds what reaches parameters through values that the step computes from parameters alone.
  void add_derived(const VarList<S>& derived, VarList<S>& result, const NeedsGrad& needs_grad) const;
  VarList<S> on_tape(const VarList<S>& upstream, const NeedsGrad& needs_grad) const;
};

template <class Cell>
auto CompiledOp<Cell>::differentiate(const VarList<S>& upstream, const NeedsGrad& needs_grad) const
    -> VarList<S> {
  const std::size_t count = states(), hidden = hidden_index(like), first = 1 + count;
  const auto end = static_cast<std::ptrdiff_t>(first);
  VarList<S> every(count), last(upstream.begin() + 1, upstream.begin() + end);
  every[hidden] = upstream[0];
  for (std::size_t k = 0, next = first; all_states && k < count; ++k) {
    if (k != hidden) every[k] = upstream[next++];
  }
  const VarList<S> own = parameters();
  const auto position = [&](const Var<S>& external) {  // among the op's inputs
    const auto is_external = [&](const Var<S>& var) { return var.same_as(external); };
    return first + static_cast<std::size_t>(std::find_if(own.begin(), own.end(), is_external) - own.begin());
  };
  const VarList<S>& inputs = run.inputs();
  NeedsGrad wanted(needs_grad.begin(), needs_grad.begin() + end);
  for (std::size_t i = first; i < inputs.size(); ++i)
    wanted.push_back(derived[i - first] != 0 ||
                     (position(inputs[i]) < first + own.size() && needs_grad[position(inputs[i])] != 0));
  VarList<S> found = run.gradients(rows(), every, last, wanted), result(needs_grad.size());
  std::move(found.begin(), found.begin() + end, result.begin());
  VarList<S> of_derived(inputs.size() - first);
  for (std::size_t i = first; i < inputs.size(); ++i) {
    if (derived[i - first] != 0) {
      of_derived[i - first] = std::move(found[i]);
    } else if (wanted[i] != 0) {
      result[position(inputs[i])] = std::move(found[i]);
    }
  }
  if (std::find(derived.begin(), derived.end(), 1) != derived.end())
    add_derived(of_derived, result, needs_grad);
  return result;
}

template <class Cell>
void CompiledOp<Cell>::add_derived(const VarList<S>& upstream, VarList<S>& result,
                                   const NeedsGrad& needs_grad) const {
  const Tape tape;
  VarList<S> leaves;
  for (const Var<S>& var : parameters()) leaves.push_back(parameter(var.value()));
  const Cell fresh = cell_with(cell, leaves, 0);
  const KeepMembers<Cell> members(fresh);
  const VarList<S> externals =
      externals_of(step_function(fresh, regularizer, like), widths_of(run.inputs()[0].shape().back(), like));
  const std::size_t first = 1 + states();
  const auto begin = needs_grad.begin() + static_cast<std::ptrdiff_t>(first);
  const NeedsGrad wanted(begin, begin + static_cast<std::ptrdiff_t>(leaves.size()));
  const VarList<S> more = layer_gradients(externals, upstream, leaves, wanted, /*create_graph=*/false);
  for (std::size_t p = 0; p < leaves.size(); ++p) {
    if (wanted[p] == 0) continue;
    Var<S>& sum = result[first + p];
    sum = sum.defined() ? sum + more[p] : more[p];
  }
}

template <class Cell>
auto CompiledOp<Cell>::on_tape(const VarList<S>& upstream, const NeedsGrad& needs_grad) const -> VarList<S> {
  VarList<S> inputs(run.inputs().begin(), run.inputs().begin() + static_cast<std::ptrdiff_t>(1 + states()));
  for (const Var<S>& var : parameters()) inputs.push_back(var);
  VarList<S> found = gradients_on_tape(
      cell, like, inputs, upstream, needs_grad, [&](const Cell& with, const Var<S>& x, State state) {
        return unroll_steps(with, regularizer, x, std::move(state), layout, all_states);
      });
  found.resize(needs_grad.size());
  return found;
}

// Runs a layer in one direction by the program of its step.
template <class Cell>
LayerResult<scalar_t<Cell>, state_t<Cell>> run_compiled(const Cell& cell, const StepRegularizer& regularizer,
                                                        const CompiledStep<scalar_t<Cell>>& step,
                                                        const Var<scalar_t<Cell>>& x,
                                                        const state_t<Cell>& state,
                                                        const bptt::BatchLayout& layout, bool all_states) {
  using S = scalar_t<Cell>;
  VarList<S> inputs{x};
  for_each_in_state(state, [&](const Var<S>& var) { inputs.push_back(var); });
  VarList<S> read = inputs;
  read.insert(read.end(), step.externals.begin(), step.externals.end());
  CompiledOp<Cell> op{
      {step.program, std::move(read)}, layout, share(cell), regularizer, state, step.derived, all_states};
  NeedsGrad wanted(op.states(), all_states ? 1 : 0);
  wanted[hidden_index(state)] = 1;
  const VarList<S> every = op.run.run(op.rows(), Tape::is_recording(), wanted);
  LayerResult<S, state_t<Cell>> result;
  std::size_t part = 0;
  result.state = map_state(state, [&](const Var<S>&) { return op.run.final_states[part++]; });
  result.output = every[hidden_index(state)];
  if (all_states) {
    part = 0;
    result.all = map_state(state, [&](const Var<S>&) { return every[part++]; });
  }
  if (!Tape::is_recording()) return result;
  VarList<S> outputs = layer_outputs(result);
  for (const Var<S>& var : op.parameters()) inputs.push_back(var);
  for (const Var<S>& external : step.externals) {
    if (!external.requires_grad()) inputs.push_back(external);
  }
  record_multi_output<S>("compiled", outputs, inputs, std::move(op));
  return result;
}

template <class Cell>
LayerResult<scalar_t<Cell>, state_t<Cell>> run_steps(const Cell& cell, const Var<scalar_t<Cell>>& x,
                                                     state_t<Cell> state, const bptt::BatchLayout& steps,
                                                     const StepMode& mode, LayerScope* scope) {
  if constexpr (HasKernel<Cell>) {
    if (mode.fused) return run_fused(cell, x, state, steps, mode.all_states);
  }
  if (mode.compiled && steps.total > 0) {
    if (const auto step = compile_step(cell, mode.regularizer, x.shape().back(), state);
        step.program != nullptr)
      return run_compiled(cell, mode.regularizer, step, x, state, steps, mode.all_states);
  }
  return unroll_steps(cell, mode.regularizer, x, std::move(state), steps, mode.all_states, scope);
}

}  // namespace unroll::detail
