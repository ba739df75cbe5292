// Recomputation: keeps only some states of a long sequence. Internal to Recurrent.
#pragma once

#include <algorithm>
#include <array>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "framework/allocation_log.hpp"
#include "framework/random.hpp"
#include "layers/module.hpp"
#include "layers/recurrent/options.hpp"
#include "layers/recurrent/step_regularizer.hpp"
#include "layers/recurrent/steps.hpp"

namespace unroll::detail {

// A layer in one direction as one op that keeps its inputs and the states between chunks of time:
//
//   forward    s_0 = initial;  (y_j, s_{j+1}) = run(x_j, s_j), nothing recorded       j = 0 .. n-1
//   backward   run(x_j, s_j) again, recorded, from s_j as it was, then                j = n-1 .. 0
//              dx_j, ds_j, dw_j = gradients of it for dy_j and ds_{j+1};  dw += dw_j
//
// x_j, y_j: the rows of chunk j. A cell's random numbers are drawn again from its generators' states, which
// are kept too. (Chen et al. 2016, with one level; Gruslys et al. 2016 choose the best states for a given
// memory.) If the backward pass is itself recorded, the whole layer runs on that tape.
template <class Cell>
class RecomputedRun {
 public:
  using S = scalar_t<Cell>;
  using State = state_t<Cell>;

  RecomputedRun(const Cell& cell, const Var<S>& x, const State& state, const bptt::BatchLayout& steps,
                const StepMode& mode)
      : cell_(share(cell)), state_(state), inputs_{x}, steps_(steps), mode_(mode) {
    for_each_in_state(state, [&](const Var<S>& var) { inputs_.push_back(var); });
    state_vars_ = inputs_.size() - 1;
    for_each_parameter(cell, [&](const std::string&, const Var<S>& var) { inputs_.push_back(var); });
  }
  RecomputedRun(const RecomputedRun&) = delete;
  RecomputedRun& operator=(const RecomputedRun&) = delete;

  // Returns x, the state's Vars, and the cell's parameters.
  const VarList<S>& inputs() const noexcept { return inputs_; }
  // What the first few steps say about a second run.
  struct Trial {
    std::size_t bytes_per_step = 1;  // that a plain run keeps, about
    std::string from_outside;        // what a step uses whose gradient would be lost; empty: nothing
    bool repeatable = true;          // they gave the same states twice
  };
  Trial try_steps(std::size_t few, std::size_t more) const;
  // Returns the outputs in the order of layer_outputs, not yet on a tape.
  VarList<S> forward(std::size_t every);
  // Advances the cell's generators to their state after the forward pass.
  void advance(const Cell& cell) const { restore(*end_, cell); }
  // Returns the gradients of inputs().
  VarList<S> backward(const VarList<S>& upstream, const NeedsGrad& needs_grad) const {
    return Tape::is_recording() ? record(upstream, needs_grad) : differentiate(upstream, needs_grad);
  }

 private:
  // The state of a run before a step.
  struct Checkpoint {
    State state;
    std::vector<Rng> generators;
  };

  // Returns the cell's generators, for example that of a Dropout in it.
  std::vector<Rng*> generators(const Cell& cell) const {
    std::vector<Rng*> result;
    for_each_slot(cell, "", [&](const std::string&, auto& slot) {
      if constexpr (std::is_same_v<decltype(slot), Rng&>) result.push_back(&slot);  // mutable
    });
    return result;
  }
  Checkpoint checkpoint(State state) const {
    Checkpoint result{std::move(state), {}};
    for (const Rng* rng : generators(cell_)) result.generators.push_back(*rng);
    return result;
  }
  void restore(const Checkpoint& at, const Cell& cell) const {
    std::size_t next = 0;
    for (Rng* rng : generators(cell)) *rng = at.generators[next++];
  }
  bool is_sequence(std::size_t output) const noexcept { return output == 0 || output > state_vars_; }

  VarList<S> record(const VarList<S>& upstream, const NeedsGrad& needs_grad) const;
  VarList<S> differentiate(const VarList<S>& upstream, const NeedsGrad& needs_grad) const;

  Cell cell_;
  State state_;
  VarList<S> inputs_;
  std::size_t state_vars_ = 0;
  bptt::BatchLayout steps_;
  StepMode mode_;
  std::optional<Checkpoint> end_;
  std::vector<bptt::TimeChunk> chunks_;
  std::vector<Checkpoint> checkpoints_;  // before each chunk
};

// Records the first few steps once, or twice in different number: some memory is held once for all steps,
// packed weights for example, so that the difference says what a step keeps.
template <class Cell>
auto RecomputedRun<Cell>::try_steps(std::size_t few, std::size_t more) const -> Trial {
  more = std::min(more, steps_.count());
  if (more < 2 * few) few = more;
  Trial trial;
  const Checkpoint now = checkpoint(state_);
  struct Result {
    std::size_t bytes, rows;
    Var<S> output;
  };
  const auto run = [&](std::size_t count) -> Result {
    restore(now, cell_);
    const std::size_t begin = steps_.reverse ? steps_.count() - count : 0;
    const bptt::TimeChunk chunk(steps_, begin, begin + count);
    const AllocationLog log;
    const Tape tape;
    const auto held = [&] { return log.bytes() - tape.bytes() + tape.used_bytes(); };
    VarList<S> leaves{parameter(chunk.take(inputs_[0].value(), steps_))};
    for (std::size_t i = 1; i < inputs_.size(); ++i) leaves.push_back(parameter(inputs_[i].value()));
    const Cell cell = cell_with(cell_, leaves, 1 + state_vars_);
    const std::size_t before = held();
    const auto kept = run_steps(cell, leaves[0], state_with(state_, leaves), chunk.layout, mode_);
    if (trial.from_outside.empty()) trial.from_outside = tape.template used_from_outside<S>(leaves);
    return {held() - before, chunk.layout.total, kept.output};
  };
  const Result first = run(few);
  std::size_t bytes = first.bytes, rows = first.rows;
  if (more > few) {
    const Result second = run(more);
    bytes = second.bytes - first.bytes;
    rows = second.rows - first.rows;
    const std::size_t shared = first.output.size();
    const S* repeated = second.output.data() + (steps_.reverse ? second.output.size() - shared : 0);
    const auto is_same = [](S a, S b) { return a == b || (a != a && b != b); };
    trial.repeatable = mode_.fused || mode_.compiled ||
                       std::equal(repeated, repeated + shared, first.output.data(), is_same);
  }
  if (rows > 0) trial.bytes_per_step = std::max<std::size_t>(bytes / rows * steps_.total / steps_.count(), 1);
  restore(now, cell_);
  return trial;
}

template <class Cell>
auto RecomputedRun<Cell>::forward(std::size_t every) -> VarList<S> {
  const NoGrad constants;
  State state = state_;
  std::vector<Tensor<S>> whole;
  for (std::size_t k = 0; k < steps_.count(); k += every) {
    const std::size_t end = std::min(k + every, steps_.count()),
                      first = steps_.reverse ? steps_.count() - end : k;
    bptt::TimeChunk chunk(steps_, first, first + (end - k));
    if (chunk.layout.total == 0) continue;  // after the end of every sequence
    checkpoints_.push_back(checkpoint(state));
    const Var<S> x(chunk.take(inputs_[0].value(), steps_));
    auto part = run_steps(cell_, x, std::move(state), chunk.layout, mode_);
    const auto outputs = layer_outputs(part);
    whole.resize(outputs.size());
    for (std::size_t i = 0; i < outputs.size(); ++i) {
      if (is_sequence(i)) chunk.put(outputs[i].value(), whole[i], steps_);
    }
    state = std::move(part.state);
    chunks_.push_back(std::move(chunk));
  }
  VarList<S> outputs;
  for (Tensor<S>& tensor : whole) outputs.emplace_back(std::move(tensor));
  // Copies: a cell may return its input, and an op must own its outputs.
  std::size_t next = 1;
  for_each_in_state(state, [&](const Var<S>& var) { outputs[next++] = var.detach(); });
  end_ = checkpoint(std::move(state));
  return outputs;
}

template <class Cell>
auto RecomputedRun<Cell>::record(const VarList<S>& upstream, const NeedsGrad& needs_grad) const
    -> VarList<S> {
  restore(checkpoints_.front(), cell_);
  return gradients_on_tape(cell_, state_, inputs_, upstream, needs_grad,
                           [&](const Cell& cell, const Var<S>& x, State state) {
                             return run_steps(cell, x, std::move(state), steps_, mode_);
                           });
}

template <class Cell>
auto RecomputedRun<Cell>::differentiate(const VarList<S>& upstream, const NeedsGrad& needs_grad) const
    -> VarList<S> {
  VarList<S> leaves(inputs_.size()), total(inputs_.size());
  NeedsGrad wanted = needs_grad;
  for (std::size_t i = 1 + state_vars_; i < inputs_.size(); ++i) {
    leaves[i] = needs_grad[i] ? parameter(inputs_[i].value()) : inputs_[i].detach();
    if (needs_grad[i]) total[i] = Var<S>(zeros<S>(inputs_[i].shape()));
  }
  Tensor<S> dx;
  if (needs_grad[0]) dx = zeros<S>(inputs_[0].shape());
  const Cell cell = cell_with(cell_, leaves, 1 + state_vars_);
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
    std::size_t part = 1;
    for_each_in_state(checkpoints_[j].state, [&](const Var<S>& var) {
      wanted[part] = j > 0 || needs_grad[part];
      leaves[part++] = parameter(var.value());
    });
    restore(checkpoints_[j], cell);
    const auto result = run_steps(cell, leaves[0], state_with(state_, leaves), chunk.layout, mode_);
    if (const auto what = tape.template used_from_outside<S>(leaves); !what.empty())
      throw_lost_gradient(name_of<Cell>(), what);
    const auto found = layer_gradients(layer_outputs(result), arriving, leaves, wanted, false);
    if (needs_grad[0]) chunk.put(found[0].value(), dx, steps_);
    for (std::size_t i = 1; i < inputs_.size(); ++i) {
      if (i <= state_vars_) {
        arriving[i] = found[i];
      } else if (needs_grad[i]) {
        S* sum = total[i].mutable_value().data();
        const S* more = found[i].data();
        for (std::size_t e = 0, n = total[i].size(); e < n; ++e) sum[e] += more[e];
      }
    }
  }
  if (needs_grad[0]) total[0] = Var<S>(std::move(dx));
  for (std::size_t i = 1; i <= state_vars_; ++i) {
    if (needs_grad[i]) total[i] = arriving[i];
  }
  return total;
}

// Returns whether checkpoints that nobody asked for may pay. Beyond the caches a cell of elementwise ops
// waits for memory, and a second run of a chunk in the cache is faster; products make it slower.
template <class Cell>
bool has_few_weights(const Cell& cell) {
  constexpr std::size_t kMostPerUnit = 64;
  std::size_t weights = 0;
  for_each_parameter(cell, [&](const std::string&, const auto& var) { weights += var.size(); });
  return weights <= kMostPerUnit * static_cast<std::size_t>(cell.options.hidden);
}

// Runs the layer with the checkpoints that the options require or that pay; otherwise like run_steps. runs:
// the calls of this kind that the layer's call makes.
template <class Cell>
LayerResult<scalar_t<Cell>, state_t<Cell>> run_recomputed(const Cell& cell, const Var<scalar_t<Cell>>& x,
                                                          const state_t<Cell>& state,
                                                          const bptt::BatchLayout& steps,
                                                          const StepMode& mode,
                                                          const RecurrentOptions& options, std::size_t runs) {
  using S = scalar_t<Cell>;
  // For chosen checkpoints: what the layer's calls keep in all, about a large cache, what their
  // outputs take then, and what a chunk keeps, about half of a core's own cache. These are constants, so that
  // gradients have the same bits on every machine.
  constexpr std::size_t kMostKept = 32 << 20, kLeastOutput = kMostKept / 64, kLeastSteps = 512,
                        kChunk = 512 << 10;
  auto every = static_cast<std::size_t>(options.checkpoint_every);
  auto bytes = static_cast<std::size_t>(options.checkpoint_bytes);
  const bool chooses = every == 0 && bytes == 0;
  if (chooses && (steps.count() < kLeastSteps || !has_few_weights(cell) ||
                  runs * steps.total * output_size(cell) * sizeof(S) < kLeastOutput))
    return run_steps(cell, x, state, steps, mode);
  auto run = std::make_shared<RecomputedRun<Cell>>(cell, x, state, steps, mode);
  if (every == 0 || !mode.fused) {
    const auto trial = every == 0 ? run->try_steps(4, 8) : run->try_steps(1, 2);
    if (chooses) {
      const bool fits = runs * trial.bytes_per_step * steps.count() <= kMostKept;
      if (fits || !trial.repeatable || !trial.from_outside.empty())
        return run_steps(cell, x, state, steps, mode);
      bytes = kChunk;
    }
    if (!trial.from_outside.empty()) throw_lost_gradient(name_of<Cell>(), trial.from_outside);
    if (!trial.repeatable) throw_not_repeatable(name_of<Cell>());
    if (every == 0) every = std::max<std::size_t>(bytes / trial.bytes_per_step, 1);
    if (every >= steps.count()) return run_steps(cell, x, state, steps, mode);  // all of it fits
  }
  VarList<S> outputs = run->forward(every);
  run->advance(cell);
  record_multi_output<S>("recomputed", outputs, run->inputs(),
                         [run](const VarList<S>& upstream, const NeedsGrad& needs_grad) {
                           return run->backward(upstream, needs_grad);
                         });
  return layer_result(outputs, state, mode.all_states);
}

}  // namespace unroll::detail
