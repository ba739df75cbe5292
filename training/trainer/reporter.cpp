#include "training/trainer/reporter.hpp"

#include <fmt/format.h>

#include <limits>

namespace unroll::detail {
namespace {

constexpr double kSecondsBetweenLines = 10.0;

// Batches in so many epochs; the largest number where there are more, as in epochs without end.
std::size_t steps_in(std::int64_t epochs, std::int64_t batches) {
  std::int64_t product = 0;
  if (__builtin_mul_overflow(epochs, batches, &product)) product = std::numeric_limits<std::int64_t>::max();
  return static_cast<std::size_t>(product);
}

std::size_t steps_done(const TrainState& state) {
  return steps_in(state.epoch - 1, state.batches) + static_cast<std::size_t>(state.batch);
}

std::string words(const char* data, const Scores& scores) {
  std::string text = fmt::format("  {}", data);
  for (const auto& [name, value] : scores) text += fmt::format(" {} {:.4f}", name, value);
  return text;
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

Scores all_scores(const Scores& train, const Scores& valid) {
  Scores all;
  for (const auto& [name, value] : train) all.push_back({"train/" + name, value});
  for (const auto& [name, value] : valid) all.push_back({"valid/" + name, value});
  return all;
}

void Reporter::begin(const TrainState& state) {
  progress_.emplace(steps_in(options_.epochs, state.batches),
                    Progress::Options{.done = steps_done(state),
                                      .seconds_between_lines = kSecondsBetweenLines,
                                      .enabled = options_.progress});
}

template <class S>
void Reporter::histograms(std::int64_t step, const std::vector<NamedParameter<S>>& parameters) const {
  if (options_.histograms_every == 0 || step % options_.histograms_every != 0) return;
  for (Log* log : options_.logs) {
    for (const auto& [name, var] : parameters) {
      log_values(*log, step, "weights/" + name, var.value());
      if (var.has_grad()) log_values(*log, step, "gradients/" + name, var.grad());
    }
  }
}
template void Reporter::histograms(std::int64_t, const std::vector<NamedParameter<float>>&) const;
template void Reporter::histograms(std::int64_t, const std::vector<NamedParameter<double>>&) const;

void Reporter::step(const StepReport& report) const {
  if (options_.log_every > 0 && report.step % options_.log_every == 0) {
    const NamedScalar values[] = {
        {"step/loss", report.loss}, {"step/grad_norm", report.grad_norm}, {"step/lr", report.lr}};
    for (Log* log : options_.logs) log->scalars(report.step, report.epoch, values);
  }
  if (options_.on_step) options_.on_step(report);
}

void Reporter::progress(const TrainState& state) {
  const std::string label = fmt::format("epoch {}/{}", state.epoch, options_.epochs);
  if (state.weight > 0.0) {
    progress_->update(steps_done(state), label, state.loss / state.weight);
  } else {
    progress_->update(steps_done(state), label, "no loss yet");
  }
}

void Reporter::epoch(const EpochReport& report) {
  Scores all = all_scores(report.train, report.valid);
  all.push_back({"grad_norm", report.grad_norm});
  all.push_back({"lr", report.lr});
  for (Log* log : options_.logs) log->scalars(report.step, report.epoch, all);
  std::string line =
      fmt::format("epoch {:>{}}/{}", report.epoch, std::to_string(options_.epochs).size(), options_.epochs);
  line += words("train", report.train);
  if (!report.valid.empty()) line += words("valid", report.valid);
  progress_->print(line + (report.best ? "  *" : ""));
  if (options_.on_epoch) options_.on_epoch(report);
}

void Reporter::stopped(const TrainResult& result) {
  for (Log* log : options_.logs) log->flush();
  if (result.stop != StopReason::finished) progress_->print(result.message);
  end();
  if (options_.on_stop) options_.on_stop(result);
}

TrainResult Reporter::result(StopReason stop, const TrainState& state, const std::string& monitor) const {
  TrainResult result{.stop = stop,
                     .steps = state.step,
                     .history = state.history,
                     .best_score = state.best_score,
                     .best_epoch = state.best_epoch};
  if (stop == StopReason::finished) {
    result.message = fmt::format("finished {} epochs, {} steps", state.epoch - 1, state.step);
  } else if (stop == StopReason::early) {
    result.message = fmt::format("stopped early after epoch {}: no better {} than {:.4f} for {} epochs",
                                 state.epoch - 1, monitor, state.patience.best, state.patience.bad_epochs);
  } else {
    result.message = fmt::format("{} in epoch {} after {} of {} batches (step {}); {}",
                                 stop == StopReason::interrupted ? "interrupted" : "stopped", state.epoch,
                                 state.batch, state.batches, state.step, how_to_continue(state));
  }
  return result;
}

std::string Reporter::how_to_continue(const TrainState& state) const {
  const std::string& file = options_.checkpoint;
  if (file.empty()) {
    const std::string why = "as TrainOptions::checkpoint names no file";
    if (options_.best_file.empty() || state.best_epoch == 0) return "nothing is saved, " + why;
    return fmt::format("the best weights are in {}; no checkpoint is saved, {}", options_.best_file, why);
  }
  if (!options_.resume_hint.empty())
    return fmt::format("saved in {}, to continue: {}", file, options_.resume_hint);
  if (options_.resume) return fmt::format("saved in {}, from which the same program continues", file);
  return fmt::format("saved in {0}, to continue call resume(\"{0}\") before fit()", file);
}

}  // namespace unroll::detail
