// TrainLoop: one optimizer step, and what to do when it cannot be made.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "framework/anomaly.hpp"
#include "framework/errors.hpp"
#include "optim/clip.hpp"
#include "training/trainer/train_loop.hpp"

namespace unroll::detail {
namespace {

template <class S>
bool all_finite(const Tensor<S>& tensor) noexcept {
  return std::all_of(tensor.data(), tensor.data() + tensor.size(), [](S v) { return std::isfinite(v); });
}

template <class S>
void log_values(Log& log, std::int64_t step, const std::string& name, const Tensor<S>& values) {
  if constexpr (std::is_same_v<S, float>) {
    log.histogram(step, name, {values.data(), values.size()});
  } else {
    const Tensor<float> rounded = convert_tensor<float>(values);
    log.histogram(step, name, {rounded.data(), rounded.size()});
  }
}

}  // namespace

template <class S>
void TrainLoop<S>::step(DataAdapter<S>& task) {
  if (!snapshot_) snapshot();
  set_step_lr();
  const auto first = static_cast<std::size_t>(state_.batch);
  const Group group{first, std::min(first + static_cast<std::size_t>(options_.accumulate),
                                    static_cast<std::size_t>(state_.batches))};
  StepReport report;
  try {
    report = update(task, group);
  } catch (const NonfiniteError& error) {
    throw_nonfinite(task, group, error.what());
  }
  snapshot_ = false;
  unsaved_ = true;
  state_.batch = static_cast<std::int64_t>(group.last);
  if (report.step > 0) {
    state_.step = report.step;
    report_step(report);
  }
  report_progress();
  const bool due =
      options_.checkpoint_every > 0 && report.step > 0 && report.step % options_.checkpoint_every == 0;
  // After the epoch's last batch its end saves: scores that are logged there belong to the same step.
  if (due && state_.batch < state_.batches) save(options_.checkpoint);
}

template <class S>
void TrainLoop<S>::set_step_lr() {
  const std::int64_t k = options_.lr_per == Interval::step ? state_.step : state_.epoch - 1;
  if (options_.lr) optimizer_.set_lr(options_.lr(k));
  if (options_.lr_factor) optimizer_.scale_lr(options_.lr_factor(k));
}

template <class S>
void TrainLoop<S>::set_lr(double lr) {
  if (optimizer_.group_count() == 1) {
    optimizer_.set_lr(lr);
  } else {
    optimizer_.scale_lr(lr);
  }
}

// Forward, backward and the optimizer's step over a group of batches. Everything that can go wrong does so
// before anything that lasts has changed. A group without weight makes no step: its report's step is 0.
template <class S>
StepReport TrainLoop<S>::update(DataAdapter<S>& task, Group group) {
  StepReport report{.epoch = state_.epoch, .batch = static_cast<std::int64_t>(group.last)};
  const bool several = group.last - group.first > 1;
  double loss = 0.0, weight = 0.0, unit = 0.0;
  Tape tape;
  for (std::size_t b = group.first; b < group.last; ++b) {
    if (b > group.first) tape.release();
    const LossValue<S> value = task.measure(b);
    check_loss(value, "train", state_.epoch, b);
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
  check_optimizer();
  if (several) {
    const auto scale = static_cast<S>(unit / weight);
    for (Var<S> p : optimizer_.parameters()) {
      if (!p.has_grad()) continue;
      for (S& g : p.mutable_grad().storage()) g *= scale;
    }
  }
  report.step = state_.step + 1;
  report.loss = loss / weight;
  if (options_.histograms_every > 0 && report.step % options_.histograms_every == 0) {
    log_histograms(report.step);
  }
  report.grad_norm = clip();
  report.lr = optimizer_.lr();
  optimizer_.step();
  state_.loss += loss;
  state_.weight += weight;
  state_.grad_norm += report.grad_norm;
  ++state_.steps;
  return report;
}

// An optimizer without any gradient and without a parameter of the model would train nothing, ever.
template <class S>
void TrainLoop<S>::check_optimizer() const {
  const std::vector<Var<S>>& held = optimizer_.parameters();
  if (std::ranges::any_of(held, [](const Var<S>& p) { return p.has_grad(); })) return;
  for (const auto& [name, var] : subject_.parameters()) {
    if (std::ranges::any_of(held, [&var = var](const Var<S>& p) { return p.same_as(var); })) return;
  }
  throw ArgumentError(
      "[Trainer.fit] optimizer: expected parameters of the model, got others: the optimizer holds none of "
      "the model's parameters (were they replaced after it was made, or is it another model's?)");
}

// Returns the norm before; throws NonfiniteError when it is not finite.
template <class S>
double TrainLoop<S>::clip() {
  const double norm = options_.clip_norm > 0.0 ? clip_grad_norm(optimizer_.parameters(), options_.clip_norm)
                                               : grad_norm(optimizer_.parameters());
  if (options_.clip_value > 0.0) clip_grad_value(optimizer_.parameters(), options_.clip_value);
  return norm;
}

// The weights that the step begins with and its gradients before clipping.
template <class S>
void TrainLoop<S>::log_histograms(std::int64_t step) {
  for (Log* log : options_.logs) {
    for (const auto& [name, var] : parameters_) {
      log_values(*log, step, "weights/" + name, var.value());
      if (var.has_grad()) log_values(*log, step, "gradients/" + name, var.grad());
    }
  }
}

template <class S>
void TrainLoop<S>::snapshot() {
  random_before_.clear();
  for (const NamedRng& generator : generators_) random_before_.push_back(*generator.rng);
  carried_before_ = subject_.carried();
  subject_.snapshot_metrics();
  snapshot_ = true;
}

template <class S>
void TrainLoop<S>::rollback() {
  for (std::size_t i = 0; i < generators_.size(); ++i) *generators_[i].rng = random_before_[i];
  subject_.load_carried(carried_before_);
  subject_.rollback_metrics();
}

// --- what is not finite

template <class S>
std::string TrainLoop<S>::nonfinite_parameter() const {
  for (const auto& [name, var] : parameters_) {
    if (!all_finite(var.value())) return name;
  }
  return "";
}

template <class S>
void TrainLoop<S>::throw_nonfinite(DataAdapter<S>& task, Group group, const std::string& what) {
  check_weights();  // if they are the cause
  const std::string op = find_op(task, group);
  const std::string batches = group.last - group.first == 1
                                  ? fmt::format("batch {}", group.last)
                                  : fmt::format("batches {} to {}", group.first + 1, group.last);
  throw NonfiniteError(
      fmt::format("[Trainer.fit] epoch {}, {} of {} (step {}): {}; {}. The model has the weights of step {}",
                  state_.epoch, batches, state_.batches, state_.step + 1, what,
                  op.empty() ? "run again, every op gives finite numbers (does the norm itself overflow, or "
                               "does the loss draw random numbers that the trainer does not save?)"
                             : "run again: " + op,
                  state_.step));
}

// Runs the batches again from where they began, looking at every op.
template <class S>
std::string TrainLoop<S>::find_op(DataAdapter<S>& task, Group group) {
  std::string op;
  try {
    rollback();
    if (group.first == 0) task.start_epoch(state_.epoch, true);
    const DetectNonfinite detect;
    for (std::size_t b = group.first; b < group.last; ++b) {
      Tape tape;
      const LossValue<S> value = task.measure(b);
      if (value.weight != 0.0) tape.backward(value.loss);
    }
  } catch (const std::exception& error) {
    op = error.what();
  }
  rollback();
  return op;
}

template <class S>
void TrainLoop<S>::check_weights() {
  const std::string parameter = nonfinite_parameter();
  if (parameter.empty()) return;
  const std::string what =
      fmt::format("[Trainer.fit] parameter '{}' is not finite after step {} of epoch {} (lr {})", parameter,
                  state_.step, state_.epoch, optimizer_.lr());
  throw NonfiniteError(fmt::format("{}. {}", what, restore_last_good()));
}

// Back to the last state whose weights are good; says which.
template <class S>
std::string TrainLoop<S>::restore_last_good() {
  snapshot_ = false;
  unsaved_ = false;  // this state must not take a good checkpoint's place
  if (saved_) {
    try {
      resume(options_.checkpoint);
      return fmt::format("The trainer is back at its checkpoint {}, step {}", options_.checkpoint,
                         state_.step);
    } catch (const Error&) {
      // The next best.
    }
  }
  if (restore_best()) {
    return fmt::format(
        "The model has its best weights, of epoch {}; the optimizer's state does not belong to them",
        state_.best_epoch);
  }
  return "The model has these weights: there is no checkpoint and no best epoch to return to";
}

template <class S>
void TrainLoop<S>::save_after_error() noexcept {
  try {
    if (snapshot_) rollback();
    snapshot_ = false;
    if (unsaved_ && !options_.checkpoint.empty() && nonfinite_parameter().empty()) save(options_.checkpoint);
  } catch (...) {
    // The file is the last good one, and the first error is the one to be heard.
  }
}

#define UNROLL_INSTANTIATE(S)                                                              \
  template void TrainLoop<S>::step(DataAdapter<S>&);                                       \
  template void TrainLoop<S>::set_step_lr();                                               \
  template void TrainLoop<S>::set_lr(double);                                              \
  template StepReport TrainLoop<S>::update(DataAdapter<S>&, Group);                        \
  template void TrainLoop<S>::check_optimizer() const;                                     \
  template double TrainLoop<S>::clip();                                                    \
  template void TrainLoop<S>::log_histograms(std::int64_t);                                \
  template void TrainLoop<S>::snapshot();                                                  \
  template void TrainLoop<S>::rollback();                                                  \
  template std::string TrainLoop<S>::nonfinite_parameter() const;                          \
  template void TrainLoop<S>::throw_nonfinite(DataAdapter<S>&, Group, const std::string&); \
  template std::string TrainLoop<S>::find_op(DataAdapter<S>&, Group);                      \
  template void TrainLoop<S>::check_weights();                                             \
  template std::string TrainLoop<S>::restore_last_good();                                  \
  template void TrainLoop<S>::save_after_error() noexcept;
UNROLL_INSTANTIATE(float)
UNROLL_INSTANTIATE(double)
#undef UNROLL_INSTANTIATE

}  // namespace unroll::detail
