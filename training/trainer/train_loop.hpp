// The training loop: its epochs. Knows nothing of the types of model, loss and data.
#pragma once

#include <optional>
#include <string>

#include "training/trainer/train_step.hpp"

namespace unroll::detail {

template <class S>
class TrainLoop {
 public:
  TrainLoop(ModelAdapter<S>& model, Optimizer<S>& optimizer, TrainOptions options);

  TrainResult run(DataAdapter<S>& data);
  // Asks run() to save and return after the step under way.
  void stop() noexcept { stop_requested_ = true; }

  void save(const std::string& path) { run_.save(path); }
  void resume(const std::string& path);
  bool restore_best() { return run_.restore_best(); }

  const TrainState& state() const noexcept { return run_.state; }
  const TrainOptions& options() const noexcept { return options_; }
  void set_options(TrainOptions options);

 private:
  void require_idle(const char* function) const;
  void check_files() const;
  void begin(DataAdapter<S>& data);
  void find_monitor(bool has_validation);
  StopReason run_epochs(DataAdapter<S>& data);
  void set_batches(std::size_t batches);
  std::optional<StopReason> asked_to_stop();
  void step(DataAdapter<S>& data);
  void end_epoch(DataAdapter<S>& data);
  void update_best(EpochReport& report);
  void save_best() const;

  ModelAdapter<S>& model_;
  Optimizer<S>& optimizer_;
  TrainOptions options_;
  RunState<S> run_;
  Reporter reporter_;
  TrainStep<S> step_;
  std::string monitor_;  // of this run: "valid/loss"
  Goal goal_ = Goal::minimize;
  bool stop_requested_ = false;
  bool running_ = false;
};

extern template class TrainLoop<float>;
extern template class TrainLoop<double>;

}  // namespace unroll::detail
