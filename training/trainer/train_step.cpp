#include "training/trainer/train_step.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <exception>
#include <string_view>
#include <unordered_set>

#include "framework/anomaly.hpp"
#include "framework/errors.hpp"
#include "optim/clip.hpp"

namespace unroll::detail {
namespace {

// evaluate() belongs to no epoch.
bool is_evaluation(std::string_view data) { return data == "evaluated"; }

// "[Trainer.fit] validation source"
std::string source_of(std::string_view data) {
  if (is_evaluation(data)) return "[Trainer.evaluate] source";
  return data == "valid" ? "[Trainer.fit] validation source" : "[Trainer.fit] source";
}

}  // namespace

template <class S>
void check_loss(const LossValue<S>& value, const char* data, std::int64_t epoch, std::size_t batch) {
  const auto where = [&] {
    return is_evaluation(data) ? fmt::format("loss of batch {}", batch + 1)
                               : fmt::format("{} loss of epoch {}, batch {}", data, epoch, batch + 1);
  };
  if (value.loss.size() != 1) {
    throw ShapeError(fmt::format("[Trainer] {}: expected one element, got shape {} (a mean over the batch?)",
                                 where(), to_string(value.loss.shape())));
  }
  if (!(value.weight >= 0.0 && std::isfinite(value.weight))) {
    throw ArgumentError(
        fmt::format("[Trainer] weight of {}: expected a finite number >= 0, got {}", where(), value.weight));
  }
  const auto loss = static_cast<double>(value.loss.item());
  if (value.weight == 0.0 || std::isfinite(loss)) return;
  throw NonfiniteError(fmt::format("{}: expected a finite number, got {}", where(), loss));
}
template void check_loss(const LossValue<float>&, const char*, std::int64_t, std::size_t);
template void check_loss(const LossValue<double>&, const char*, std::int64_t, std::size_t);

void throw_nonfinite_batch(const char* data, std::int64_t epoch, std::size_t batch, const char* what) {
  throw NonfiniteError(is_evaluation(data) ? fmt::format("[Trainer.evaluate] batch {}: {}", batch + 1, what)
                                           : fmt::format("[Trainer.fit] validation of epoch {}, batch {}: {}",
                                                         epoch, batch + 1, what));
}

void throw_source_in_use() {
  throw ArgumentError(
      "[Trainer.evaluate] source: expected another one than that of the fit() under way, got the same, whose "
      "epoch would begin again (make a second source of the same data)");
}
void check_batches(const char* data, std::size_t batches) {
  if (batches > 0) return;
  throw ArgumentError(fmt::format("{}: expected at least one batch, got none", source_of(data)));
}

double mean_loss(const char* data, std::int64_t epoch, double sum, double weight) {
  if (weight > 0.0) return sum / weight;
  throw ArgumentError(fmt::format(
      "{}: expected a batch of weight above 0, got none in epoch {} (is every label one that is ignored?)",
      source_of(data), epoch));
}

// --- the step

template <class S>
StepReport TrainStep<S>::run(DataAdapter<S>& data) {
  if (!run_.has_snapshot()) run_.snapshot();
  set_scheduled_lr();
  TrainState& state = run_.state;
  const auto first = static_cast<std::size_t>(state.batch);
  const Group group{first, std::min(first + static_cast<std::size_t>(options_.accumulate),
                                    static_cast<std::size_t>(state.batches))};
  StepReport report;
  try {
    report = update(data, group);
  } catch (const NonfiniteError& error) {
    throw_nonfinite(data, group, error.what());
  }
  run_.complete_step();
  state.batch = static_cast<std::int64_t>(group.last);
  if (report.step > 0) state.step = report.step;
  return report;
}

template <class S>
void TrainStep<S>::set_scheduled_lr() {
  const std::int64_t k = options_.lr_per == Interval::step ? run_.state.step : run_.state.epoch - 1;
  if (options_.lr) optimizer_.set_lr(options_.lr(k));
  if (options_.lr_factor) optimizer_.scale_lr(options_.lr_factor(k));
}

template <class S>
void TrainStep<S>::set_lr(double lr) {
  if (optimizer_.group_count() == 1) {
    optimizer_.set_lr(lr);
  } else {
    optimizer_.scale_lr(lr);
  }
}

template <class S>
StepReport TrainStep<S>::update(DataAdapter<S>& data, Group group) {
  TrainState& state = run_.state;
  StepReport report{.epoch = state.epoch, .batch = static_cast<std::int64_t>(group.last)};
  const bool several = group.last - group.first > 1;
  double loss = 0.0, weight = 0.0, unit = 0.0;
  Tape tape;
  for (std::size_t b = group.first; b < group.last; ++b) {
    if (b > group.first) tape.release();
    const LossValue<S> value = data.measure(b);
    check_loss(value, "train", state.epoch, b);
    if (value.weight == 0.0) continue;
    if (several) {
      // In units of the first: weights of any size stay within S.
      if (unit == 0.0) unit = value.weight;
      const Shape& shape = value.loss.shape();
      tape.backward(value.loss, Var<S>(full<S>(shape, static_cast<S>(value.weight / unit))));
    } else {
      tape.backward(value.loss);
    }
    loss += value.weight * static_cast<double>(value.loss.item());
    weight += value.weight;
  }
  if (weight == 0.0) return report;
  if (several) scale_gradients(static_cast<S>(unit / weight));
  report.step = state.step + 1;
  report.loss = loss / weight;
  reporter_.histograms(report.step, run_.parameters());
  report.grad_norm = clip();
  report.lr = optimizer_.lr();
  optimizer_.step();
  state.loss += loss;
  state.weight += weight;
  state.grad_norm += report.grad_norm;
  ++state.steps;
  return report;
}

template <class S>
void TrainStep<S>::scale_gradients(S factor) {
  for (Var<S> p : optimizer_.parameters()) {
    if (!p.has_grad()) continue;
    for (S& g : p.mutable_grad().storage()) g *= factor;
  }
}

// What is no parameter of the model would be neither saved nor restored, and what has been replaced in the
// model not trained.
template <class S>
void TrainStep<S>::check_optimizer() const {
  std::unordered_set<const void*> known;
  for (const auto& [name, var] : model_.parameters()) known.insert(var.get());
  for (const Var<S>& held : optimizer_.parameters()) {
    if (known.contains(held.get())) continue;
    throw ArgumentError(fmt::format(
        "[Trainer.fit] optimizer: expected parameters of the model, got '{}', which is none (replaced after "
        "the optimizer was made, of another model, or a member that the model's each() does not visit)",
        held.name()));
  }
}

// Returns the norm before; throws NonfiniteError when it is not finite.
template <class S>
double TrainStep<S>::clip() {
  const double norm = options_.clip_norm > 0.0 ? clip_grad_norm(optimizer_.parameters(), options_.clip_norm)
                                               : grad_norm(optimizer_.parameters());
  if (options_.clip_value > 0.0) clip_grad_value(optimizer_.parameters(), options_.clip_value);
  return norm;
}

template <class S>
void TrainStep<S>::throw_nonfinite(DataAdapter<S>& data, Group group, const std::string& what) {
  run_.check_weights();  // if they are the cause
  const std::string op = find_op(data, group);
  const std::string batches = group.last - group.first == 1
                                  ? fmt::format("batch {}", group.last)
                                  : fmt::format("batches {} to {}", group.first + 1, group.last);
  const TrainState& state = run_.state;
  throw NonfiniteError(
      fmt::format("[Trainer.fit] epoch {}, {} of {} (step {}): {}; {}. The model has the weights of step {}",
                  state.epoch, batches, state.batches, state.step + 1, what,
                  op.empty() ? "run again, every op gives finite numbers (does the norm itself overflow, or "
                               "does the loss draw random numbers that the trainer does not save?)"
                             : "run again: " + op,
                  state.step));
}

// Runs the batches again from where they began, looking at every op.
template <class S>
std::string TrainStep<S>::find_op(DataAdapter<S>& data, Group group) {
  std::string op;
  try {
    run_.rollback();
    if (group.first == 0) data.start_epoch(run_.state.epoch, true);
    const DetectNonfinite detect;
    for (std::size_t b = group.first; b < group.last; ++b) {
      Tape tape;
      const LossValue<S> value = data.measure(b);
      if (value.weight != 0.0) tape.backward(value.loss);
    }
  } catch (const std::exception& error) {
    op = error.what();
  }
  run_.rollback();
  return op;
}

template class TrainStep<float>;
template class TrainStep<double>;

}  // namespace unroll::detail
