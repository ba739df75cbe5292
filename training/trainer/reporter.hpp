// Reporter: what a training run tells its logs, its callbacks and the terminal.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "layers/module.hpp"
#include "training/trainer/checkpoint.hpp"
#include "training/trainer/progress.hpp"
#include "training/trainer/train_options.hpp"

namespace unroll::detail {

// "train/loss", "train/accuracy" .. and, where there are some, "valid/loss" ..
Scores all_scores(const Scores& train, const Scores& valid);

class Reporter {
 public:
  // The options live as long as this.
  explicit Reporter(const TrainOptions& options) : options_(options) {}

  // The progress bar of one run.
  void begin(const TrainState& state);
  void end() noexcept { progress_.reset(); }

  // The weights that a step begins with, and its gradients before clipping, in steps that ask for them.
  template <class S>
  void histograms(std::int64_t step, const std::vector<NamedParameter<S>>& parameters) const;
  void step(const StepReport& report) const;
  void progress(const TrainState& state);
  void epoch(const EpochReport& report);
  void stopped(const TrainResult& result);

  // Why the run has ended, in words, with what it has reached.
  TrainResult result(StopReason stop, const TrainState& state, const std::string& monitor) const;

 private:
  std::string how_to_continue(const TrainState& state) const;

  const TrainOptions& options_;
  std::optional<Progress> progress_;
};

}  // namespace unroll::detail
