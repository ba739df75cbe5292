#include "layers/recurrent/compiled.hpp"

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "framework/ops.hpp"
#include "framework/program/run.hpp"
#include "layers/recurrent/options.hpp"
#include "layers/recurrent/step_regularizer.hpp"
#include "layers/recurrent/steps.hpp"

namespace unroll::detail {
namespace {

// Returns the step of a cell, which must outlive it, with its regularizer.
template <class S>
StepFunction<S> step_function(const AnyCell<S>& cell, const StepRegularizer& regularizer) {
  return [&cell, regularizer](const VarList<S>& rows) {
    return regularizer.step(cell, rows[0], state_in(cell, rows));
  };
}

// Gives the members that a step may change the values back that they have now: a trace draws no random
// numbers, and leaves counters alone.
template <class S>
class KeepMembers {
 public:
  explicit KeepMembers(const AnyCell<S>& cell)
      : cell_(cell), bytes_(cell.bytes().begin(), cell.bytes().end()) {
    for (const Rng* rng : cell.generators()) generators_.push_back(*rng);
    cell.read_numbers(numbers_);
  }
  ~KeepMembers() { restore(); }
  KeepMembers(const KeepMembers&) = delete;
  KeepMembers& operator=(const KeepMembers&) = delete;
  // Restores them. Returns whether a number had changed, or has a member that nobody visits.
  bool restore() {
    auto generator = generators_.begin();
    for (Rng* rng : cell_.generators()) *rng = *generator++;
    const bool changed = cell_.set_numbers(numbers_);
    return changed || !std::equal(bytes_.begin(), bytes_.end(), cell_.bytes().begin());
  }

 private:
  const AnyCell<S>& cell_;
  std::vector<Rng> generators_;
  std::vector<long double> numbers_;
  PooledVector<std::byte> bytes_;  // of the object
};

// The sizes of x and of the state's Vars.
template <class S>
std::vector<std::size_t> row_widths(const AnyCell<S>& cell, std::size_t input_size) {
  std::vector<std::size_t> widths{input_size};
  widths.insert(widths.end(), cell.widths.begin(), cell.widths.end());
  return widths;
}

constexpr const char* kChangesMember = "step() changes a member";
constexpr const char* kNoCopy = "a cell without a copy constructor";

}  // namespace

template <class S>
CompiledStep<S> compile_step(const AnyCell<S>& cell, const StepRegularizer& regularizer,
                             std::size_t input_size) {
  // What a step keeps for the next one in members that nobody visits must not come from a trace.
  const auto traced = cell.exact_copy();
  if (traced == nullptr) return {nullptr, {}, {}, kNoCopy};
  KeepMembers<S> members(*traced);
  std::optional<Tape> tape;  // finds what needs a gradient from outside the cell
  if (Tape::is_recording()) tape.emplace();
  const VarList<S> own = cell.parameters();
  const auto fresh = [&] {
    VarList<S> leaves = own;
    for (Var<S>& var : leaves) {
      if (var.requires_grad()) var = parameter(var.value());  // or the cell has a constant among them
    }
    return StepFunction<S>([copy = cell.with(leaves.data()), regularizer](const VarList<S>& rows) {
      return step_function(*copy, regularizer)(rows);
    });
  };
  CompiledStep<S> step = compile<S>(step_function(*traced, regularizer), fresh, row_widths(cell, input_size));
  if (members.restore()) return {nullptr, {}, {}, kChangesMember};
  if (!tape || step.program == nullptr) return step;
  if (const auto what = tape->used_from_outside<S>(own); !what.empty()) {
    step.failure = "step() uses a " + what;
    step.program = nullptr;
  }
  return step;
}

template <class S>
CompiledStep<S> compile_forward_step(const AnyCell<S>& cell, const RecurrentOptions& options,
                                     std::size_t input_size) {
  KeepMembers<S> members(cell);  // of a copy already
  CompiledStep<S> step = compile_forward<S>(step_function(cell, StepRegularizer(options, /*training=*/false)),
                                            row_widths(cell, input_size));
  if (members.restore()) return {nullptr, {}, {}, kChangesMember};
  return step;
}

namespace {

// The op on the tape. Its inputs are x, the state's Vars and the cell's parameters; then the program's
// constants, without a gradient, so that a change before the backward pass is noticed.
template <class S>
struct CompiledOp {
  ProgramRun<S> run;
  bptt::BatchLayout layout;
  std::shared_ptr<const AnyCell<S>> cell;
  StepRegularizer regularizer;
  NeedsGrad derived;  // by external value of the program
  bool all_states;

  StepRows rows() const {
    return {layout.count(), layout.batch,         layout.total,
            layout.reverse, layout.batch_sizes(), layout.offsets()};
  }
  // upstream: by output.
  VarList<S> operator()(const VarList<S>& upstream, const NeedsGrad& needs_grad) const {
    return Tape::is_recording() ? on_tape(upstream, needs_grad) : differentiate(upstream, needs_grad);
  }

 private:
  VarList<S> differentiate(const VarList<S>& upstream, const NeedsGrad& needs_grad) const;
  // Adds what reaches parameters through values that the step computes from parameters alone.
  void add_derived(const VarList<S>& derived, VarList<S>& result, const NeedsGrad& needs_grad) const;
  VarList<S> on_tape(const VarList<S>& upstream, const NeedsGrad& needs_grad) const;
};

template <class S>
VarList<S> CompiledOp<S>::differentiate(const VarList<S>& upstream, const NeedsGrad& needs_grad) const {
  const std::size_t count = cell->state_count(), first = 1 + count;
  const auto end = static_cast<std::ptrdiff_t>(first);
  VarList<S> every(count), last(upstream.begin() + 1, upstream.begin() + end);
  every[cell->hidden] = upstream[0];
  for (std::size_t k = 0, next = first; all_states && k < count; ++k) {
    if (k != cell->hidden) every[k] = upstream[next++];
  }
  const VarList<S> own = cell->parameters();
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

template <class S>
void CompiledOp<S>::add_derived(const VarList<S>& upstream, VarList<S>& result,
                                const NeedsGrad& needs_grad) const {
  const Tape tape;
  VarList<S> leaves;
  for (const Var<S>& var : cell->parameters()) leaves.push_back(parameter(var.value()));
  const auto fresh = cell->with(leaves.data());
  const KeepMembers<S> members(*fresh);
  const VarList<S> externals =
      externals_of(step_function(*fresh, regularizer), row_widths(*cell, run.inputs()[0].shape().back()));
  const std::size_t first = 1 + cell->state_count();
  const auto begin = needs_grad.begin() + static_cast<std::ptrdiff_t>(first);
  const NeedsGrad wanted(begin, begin + static_cast<std::ptrdiff_t>(leaves.size()));
  const VarList<S> more = layer_gradients(externals, upstream, leaves, wanted, /*create_graph=*/false);
  for (std::size_t p = 0; p < leaves.size(); ++p) {
    if (wanted[p] == 0) continue;
    Var<S>& sum = result[first + p];
    sum = sum.defined() ? sum + more[p] : more[p];
  }
}

template <class S>
VarList<S> CompiledOp<S>::on_tape(const VarList<S>& upstream, const NeedsGrad& needs_grad) const {
  const VarList<S> inputs = inputs_of(*cell, run.inputs()[0], state_in(*cell, run.inputs()));
  VarList<S> found = gradients_on_tape(
      *cell, inputs, upstream, needs_grad, [&](const AnyCell<S>& with, const Var<S>& x, VarList<S> state) {
        return unroll_steps(with, regularizer, x, std::move(state), layout, all_states);
      });
  found.resize(needs_grad.size());
  return found;
}

}  // namespace

template <class S>
VarList<S> run_compiled(const AnyCell<S>& cell, const StepRegularizer& regularizer,
                        const CompiledStep<S>& step, const Var<S>& x, const VarList<S>& state,
                        const bptt::BatchLayout& layout, bool all_states) {
  VarList<S> read{x};
  read.insert(read.end(), state.begin(), state.end());
  read.insert(read.end(), step.externals.begin(), step.externals.end());
  CompiledOp<S> op{
      {step.program, std::move(read)}, layout, cell.copy(), regularizer, step.derived, all_states};
  NeedsGrad wanted(cell.state_count(), all_states ? 1 : 0);
  wanted[cell.hidden] = 1;
  VarList<S> every = op.run.run(op.rows(), Tape::is_recording(), wanted);
  VarList<S> outputs{every[cell.hidden]};
  outputs.insert(outputs.end(), op.run.final_states.begin(), op.run.final_states.end());
  for (std::size_t i = 0; all_states && i < every.size(); ++i) {
    if (i != cell.hidden) outputs.push_back(std::move(every[i]));
  }
  if (!Tape::is_recording()) return outputs;
  VarList<S> inputs = inputs_of(*op.cell, x, state);
  for (const Var<S>& external : step.externals) {
    if (!external.requires_grad()) inputs.push_back(external);
  }
  record_multi_output<S>("compiled", outputs, inputs, std::move(op));
  return outputs;
}

template <class S>
VarList<S> run_steps(const AnyCell<S>& cell, const Var<S>& x, VarList<S> state,
                     const bptt::BatchLayout& steps, const StepMode& mode, LayerScope* scope) {
  if (mode.fused) return cell.run_kernel(x, state, steps, mode.all_states);
  if (mode.compiled && steps.total > 0) {
    if (const auto step = compile_step(cell, mode.regularizer, x.shape().back()); step.program != nullptr)
      return run_compiled(cell, mode.regularizer, step, x, state, steps, mode.all_states);
  }
  return unroll_steps(cell, mode.regularizer, x, std::move(state), steps, mode.all_states, scope);
}

#define UNROLL_INSTANTIATE(S)                                                                             \
  template CompiledStep<S> compile_step(const AnyCell<S>&, const StepRegularizer&, std::size_t);          \
  template CompiledStep<S> compile_forward_step(const AnyCell<S>&, const RecurrentOptions&, std::size_t); \
  template VarList<S> run_compiled(const AnyCell<S>&, const StepRegularizer&, const CompiledStep<S>&,     \
                                   const Var<S>&, const VarList<S>&, const bptt::BatchLayout&, bool);     \
  template VarList<S> run_steps(const AnyCell<S>&, const Var<S>&, VarList<S>, const bptt::BatchLayout&,   \
                                const StepMode&, LayerScope*);
UNROLL_INSTANTIATE(float)
UNROLL_INSTANTIATE(double)
#undef UNROLL_INSTANTIATE

}  // namespace unroll::detail
