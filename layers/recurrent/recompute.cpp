#include "layers/recurrent/recompute.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "framework/allocation_log.hpp"
#include "layers/recurrent/compiled.hpp"
#include "layers/recurrent/steps.hpp"

namespace unroll::detail {
namespace {

template <class S>
bool is_same(S a, S b) {
  return a == b || (a != a && b != b);
}

// Returns the rows of a chunk's output after the step that runs first.
template <class S>
Tensor<S> first_step(const bptt::TimeChunk& chunk, const Var<S>& output) {
  const bptt::BatchLayout& steps = chunk.layout;
  std::size_t t = steps.reverse ? steps.count() - 1 : 0;
  while (steps.batch_size(t) == 0) --t;
  const std::size_t width = output.size() / steps.total;
  Tensor<S> rows(Shape{steps.batch_size(t), width});
  std::copy_n(output.data() + steps.offset(t) * width, rows.size(), rows.data());
  return rows;
}

}  // namespace

template <class S>
RecomputedRun<S>::RecomputedRun(const AnyCell<S>& cell, const Var<S>& x, const VarList<S>& state,
                                bptt::BatchLayout steps, const StepMode& mode)
    : cell_(cell.copy()), inputs_(inputs_of(cell, x, state)), steps_(std::move(steps)), mode_(mode) {}

template <class S>
auto RecomputedRun<S>::checkpoint(VarList<S> state) const -> Checkpoint {
  Checkpoint result{std::move(state), {}, {}};
  for (const Rng* rng : cell_->generators()) result.generators.push_back(*rng);
  cell_->read_numbers(result.numbers);
  return result;
}

template <class S>
void RecomputedRun<S>::restore(const Checkpoint& at, const AnyCell<S>& cell) const {
  std::size_t next = 0;
  for (Rng* rng : cell.generators()) *rng = at.generators[next++];
  cell.set_numbers(at.numbers);
}

// Records the first few steps twice, if there are enough in different number: some memory is held once for
// all steps, packed weights for example, so that the difference says what a step keeps. Both runs are one
// cell's, so that what a step keeps for the next one in members that nobody visits shows.
template <class S>
auto RecomputedRun<S>::try_steps(std::size_t few, std::size_t more) const -> Trial {
  more = std::min(more, steps_.count());
  if (more < 2 * few) few = more;
  Trial trial;
  const Checkpoint now = checkpoint(state_in(*cell_, inputs_));
  VarList<S> leaves(1);  // x: that of a run
  for (std::size_t i = 1; i < inputs_.size(); ++i) leaves.push_back(parameter(inputs_[i].value()));
  const auto cell = cell_with(*cell_, leaves);
  struct Result {
    std::size_t bytes, rows;
    Var<S> output;
  };
  const auto run = [&](std::size_t count) -> Result {
    restore(now, *cell);
    const std::size_t begin = steps_.reverse ? steps_.count() - count : 0;
    const bptt::TimeChunk chunk(steps_, begin, begin + count);
    const AllocationLog log;
    const Tape tape;
    const auto held = [&] { return log.bytes() - tape.bytes() + tape.used_bytes(); };
    leaves[0] = parameter(chunk.take(inputs_[0].value(), steps_));
    const std::size_t before = held();
    const auto kept = run_steps(*cell, leaves[0], state_in(*cell, leaves), chunk.layout, mode_);
    if (trial.from_outside.empty()) trial.from_outside = tape.template used_from_outside<S>(leaves);
    return {held() - before, chunk.layout.total, kept[0]};
  };
  const Result first = run(few);
  const Result second = run(more);
  const bool differ = more > few;
  const std::size_t bytes = second.bytes - (differ ? first.bytes : 0),
                    rows = second.rows - (differ ? first.rows : 0);
  const std::size_t shared = first.output.size();
  const S* repeated = second.output.data() + (steps_.reverse ? second.output.size() - shared : 0);
  trial.repeatable = mode_.fused || mode_.compiled ||
                     std::equal(repeated, repeated + shared, first.output.data(), is_same<S>);
  if (rows > 0) trial.bytes_per_step = std::max<std::size_t>(bytes / rows * steps_.total / steps_.count(), 1);
  return trial;
}

template <class S>
VarList<S> RecomputedRun<S>::forward(std::size_t every) {
  const NoGrad constants;
  VarList<S> state = state_in(*cell_, inputs_);
  std::vector<Tensor<S>> whole;
  for (std::size_t k = 0; k < steps_.count(); k += every) {
    const std::size_t end = std::min(k + every, steps_.count()),
                      first = steps_.reverse ? steps_.count() - end : k;
    bptt::TimeChunk chunk(steps_, first, first + (end - k));
    if (chunk.layout.total == 0) continue;  // after the end of every sequence
    checkpoints_.push_back(checkpoint(state));
    const Var<S> x(chunk.take(inputs_[0].value(), steps_));
    const VarList<S> outputs = run_steps(*cell_, x, std::move(state), chunk.layout, mode_);
    whole.resize(outputs.size());
    for (std::size_t i = 0; i < outputs.size(); ++i) {
      if (is_sequence(i)) chunk.put(outputs[i].value(), whole[i], steps_);
    }
    state = state_in(*cell_, outputs);
    if (!mode_.fused) first_.push_back(first_step(chunk, outputs[0]));
    chunks_.push_back(std::move(chunk));
  }
  VarList<S> outputs;
  for (Tensor<S>& tensor : whole) outputs.emplace_back(std::move(tensor));
  // Copies: a cell may return its input, and an op must own its outputs.
  for (std::size_t i = 0; i < state.size(); ++i) outputs[1 + i] = state[i].detach();
  end_ = checkpoint(std::move(state));
  return outputs;
}

template <class S>
VarList<S> RecomputedRun<S>::record(const VarList<S>& upstream, const NeedsGrad& needs_grad) const {
  restore(checkpoints_.front(), *cell_);
  return gradients_on_tape(*cell_, inputs_, upstream, needs_grad,
                           [&](const AnyCell<S>& cell, const Var<S>& x, VarList<S> state) {
                             return run_steps(cell, x, std::move(state), steps_, mode_);
                           });
}

template <class S>
void RecomputedRun<S>::check_again(std::size_t j, const Var<S>& output) const {
  const Tensor<S> got = first_step(chunks_[j], output), &want = first_[j];
  // A run that is recorded may sum in another order.
  const S most = std::sqrt(std::numeric_limits<S>::epsilon());
  const auto is_near = [=](S a, S b) { return is_same(a, b) || std::abs(a - b) <= most * (1 + std::abs(b)); };
  if (!std::equal(got.begin(), got.end(), want.begin(), is_near)) throw_not_the_same(cell_->name);
}

template <class S>
VarList<S> RecomputedRun<S>::differentiate(const VarList<S>& upstream, const NeedsGrad& needs_grad) const {
  const std::size_t states = cell_->state_count();
  VarList<S> leaves(inputs_.size()), total(inputs_.size());
  NeedsGrad wanted = needs_grad;
  for (std::size_t i = 1 + states; i < inputs_.size(); ++i) {
    leaves[i] = needs_grad[i] ? parameter(inputs_[i].value()) : inputs_[i].detach();
    if (needs_grad[i]) total[i] = Var<S>(zeros<S>(inputs_[i].shape()));
  }
  Tensor<S> dx;
  if (needs_grad[0]) dx = zeros<S>(inputs_[0].shape());
  const auto cell = cell_with(*cell_, leaves);
  VarList<S> arriving = upstream;  // of the chunk's outputs; those of the states come from the next chunk

  for (std::size_t j = chunks_.size(); j-- > 0;) {
    const bptt::TimeChunk& chunk = chunks_[j];
    bool any = false;
    for (std::size_t k = 0; k < upstream.size(); ++k) {
      if (is_sequence(k) && upstream[k].defined())
        arriving[k] = Var<S>(chunk.take(upstream[k].value(), steps_));
      any |= arriving[k].defined();
    }
    if (!any) continue;
    const Tape tape;
    leaves[0] = parameter(chunk.take(inputs_[0].value(), steps_));
    for (std::size_t i = 1; i <= states; ++i) {
      wanted[i] = j > 0 || needs_grad[i];
      leaves[i] = parameter(checkpoints_[j].state[i - 1].value());
    }
    restore(checkpoints_[j], *cell);
    const auto outputs = run_steps(*cell, leaves[0], state_in(*cell, leaves), chunk.layout, mode_);
    if (const auto what = tape.template used_from_outside<S>(leaves); !what.empty())
      throw_lost_gradient(cell_->name, what);
    if (!mode_.fused) check_again(j, outputs[0]);  // a kernel reads nothing but its inputs
    const auto found = layer_gradients(outputs, arriving, leaves, wanted, false);
    if (needs_grad[0]) chunk.put(found[0].value(), dx, steps_);
    for (std::size_t i = 1; i < inputs_.size(); ++i) {
      if (i <= states) {
        arriving[i] = found[i];
      } else if (needs_grad[i]) {
        S* sum = total[i].mutable_value().data();
        const S* more = found[i].data();
        for (std::size_t e = 0, n = total[i].size(); e < n; ++e) sum[e] += more[e];
      }
    }
  }
  if (needs_grad[0]) total[0] = Var<S>(std::move(dx));
  for (std::size_t i = 1; i <= states; ++i) {
    if (needs_grad[i]) total[i] = arriving[i];
  }
  return total;
}

template <class S>
bool has_few_weights(const AnyCell<S>& cell) {
  constexpr std::size_t kMostPerUnit = 64;
  std::size_t weights = 0;
  for (const Var<S>& var : cell.parameters()) weights += var.size();
  return weights <= kMostPerUnit * cell.units;
}

template <class S>
VarList<S> run_recomputed(const AnyCell<S>& cell, const Var<S>& x, const VarList<S>& state,
                          const bptt::BatchLayout& steps, const StepMode& mode,
                          const RecurrentOptions& options, std::size_t runs) {
  // For chosen checkpoints: what the layer's calls keep in all, about a large cache, what their
  // outputs take then, and what a chunk keeps, about half of a core's own cache. These are constants, so that
  // gradients have the same bits on every machine.
  constexpr std::size_t kMostKept = 32 << 20, kLeastOutput = kMostKept / 64, kLeastSteps = 512,
                        kChunk = 512 << 10;
  auto every = static_cast<std::size_t>(options.checkpoint_every);
  auto bytes = static_cast<std::size_t>(options.checkpoint_bytes);
  const bool chooses = every == 0 && bytes == 0;
  if (chooses && (steps.count() < kLeastSteps || !has_few_weights(cell) ||
                  runs * steps.total * cell.widths[cell.hidden] * sizeof(S) < kLeastOutput))
    return run_steps(cell, x, state, steps, mode);
  for (std::size_t i = 0; i < cell.state_count(); ++i) {
    if (cell.widths[i] > 0) continue;
    if (chooses) return run_steps(cell, x, state, steps, mode);
    throw_not_rows(cell.name, "checkpoints", cell.state_name(i));
  }
  auto run = std::make_shared<RecomputedRun<S>>(cell, x, state, steps, mode);
  if (every == 0 || !mode.fused) {
    const auto trial = every == 0 ? run->try_steps(5, 11) : run->try_steps(1, 2);
    if (chooses) {
      const bool fits = runs * trial.bytes_per_step * steps.count() <= kMostKept;
      if (fits || !trial.repeatable || !trial.from_outside.empty())
        return run_steps(cell, x, state, steps, mode);
      bytes = kChunk;
    }
    if (!trial.from_outside.empty()) throw_lost_gradient(cell.name, trial.from_outside);
    if (!trial.repeatable) throw_not_repeatable(cell.name);
    if (every == 0) every = std::max<std::size_t>(bytes / trial.bytes_per_step, 1);
    if (every >= steps.count()) return run_steps(cell, x, state, steps, mode);  // all of it fits
  }
  VarList<S> outputs = run->forward(every);
  run->advance(cell);
  record_multi_output<S>("recomputed", outputs, run->inputs(),
                         [run](const VarList<S>& upstream, const NeedsGrad& needs_grad) {
                           return run->backward(upstream, needs_grad);
                         });
  return outputs;
}

#define UNROLL_INSTANTIATE(S)                                                                            \
  template class RecomputedRun<S>;                                                                       \
  template bool has_few_weights(const AnyCell<S>&);                                                      \
  template VarList<S> run_recomputed(const AnyCell<S>&, const Var<S>&, const VarList<S>&,                \
                                     const bptt::BatchLayout&, const StepMode&, const RecurrentOptions&, \
                                     std::size_t);
UNROLL_INSTANTIATE(float)
UNROLL_INSTANTIATE(double)
#undef UNROLL_INSTANTIATE

}  // namespace unroll::detail
