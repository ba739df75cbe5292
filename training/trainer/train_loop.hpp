// The training loop itself: what does not depend on the types of model, loss and data.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "optim/optimizer.hpp"
#include "training/trainer/adapters.hpp"
#include "training/trainer/checkpoint.hpp"
#include "training/trainer/progress.hpp"

namespace unroll::detail {

template <class S>
class TrainLoop {
 public:
  TrainLoop(ModelAdapter<S>& subject, Optimizer<S>& optimizer, TrainOptions options);

  TrainResult run(DataAdapter<S>& task);
  void stop() noexcept { stop_requested_ = true; }

  Checkpoint<S> capture() const;
  void save(const std::string& path);
  void resume(const std::string& path);
  // Gives the model its best weights; false when there are none yet.
  bool restore_best();

  const TrainState& state() const noexcept { return state_; }
  const TrainOptions& options() const noexcept { return options_; }
  void set_options(TrainOptions options);

 private:
  struct Group {  // batches of one step
    std::size_t first, last;
  };

  // train_loop.cpp
  void begin(DataAdapter<S>& task);
  void check_files() const;
  void find_monitor(bool has_validation);
  StopReason run_epochs(DataAdapter<S>& task);
  std::optional<StopReason> asked_to_stop();
  void end_epoch(DataAdapter<S>& task);
  void save_best() const;
  void update_best(EpochReport& report);
  void report_step(const StepReport& report);
  void report_progress();
  void report_epoch(const EpochReport& report);
  TrainResult ended(StopReason stop) const;
  std::string how_to_go_on() const;
  bool stopped_early() const noexcept;

  // train_step.cpp
  void step(DataAdapter<S>& task);
  void set_step_lr();
  void set_lr(double lr);
  StepReport update(DataAdapter<S>& task, Group group);
  void check_optimizer() const;
  double clip();
  void log_histograms(std::int64_t step);
  void snapshot();
  void rollback();
  std::string nonfinite_parameter() const;
  [[noreturn]] void throw_nonfinite(DataAdapter<S>& task, Group group, const std::string& what);
  std::string find_op(DataAdapter<S>& task, Group group);
  void check_weights();
  std::string restore_last_good();
  void save_after_error() noexcept;

  // train_resume.cpp
  void check(const Checkpoint<S>& checkpoint, const std::string& path) const;
  void apply(const Checkpoint<S>& checkpoint);
  TensorMap<S> weights() const;
  void set_weights(const TensorMap<S>& weights);

  ModelAdapter<S>& subject_;
  Optimizer<S>& optimizer_;
  TrainOptions options_;
  std::vector<NamedParameter<S>> parameters_;
  std::vector<NamedRng> generators_;
  TrainState state_;
  TensorMap<S> best_;
  std::optional<PlateauSchedule> plateau_;
  std::unique_ptr<Progress> progress_;
  std::string monitor_;  // of this run: "valid/loss"
  Goal goal_ = Goal::minimize;
  bool resumed_ = false;  // from a checkpoint, and the logs have not been told
  bool stop_requested_ = false;
  bool saved_ = false;    // options_.checkpoint is a file of this trainer's
  bool unsaved_ = false;  // something has changed since

  // The state before the step under way, to go back to.
  bool snapshot_ = false;
  std::vector<Rng> random_before_;
  TensorMap<S> carried_before_;
};

extern template class TrainLoop<float>;
extern template class TrainLoop<double>;

}  // namespace unroll::detail
