// RunState: where a training run stands, and its snapshots: to roll back to, to save and to resume from.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "optim/optimizer.hpp"
#include "training/trainer/adapters.hpp"
#include "training/trainer/checkpoint.hpp"

namespace unroll::detail {

template <class S>
class RunState {
 public:
  // All three live as long as this; options may change between runs.
  RunState(ModelAdapter<S>& model, Optimizer<S>& optimizer, const TrainOptions& options)
      : model_(model), optimizer_(optimizer), options_(options), parameters_(model.parameters()) {}

  TrainState state;
  std::optional<PlateauSchedule> plateau;

  const std::vector<NamedParameter<S>>& parameters() const noexcept { return parameters_; }
  // A run begins: its parameters and generators are those that the model has now. Throws ArgumentError for
  // two generators of one name.
  void begin();
  bool is_new() const noexcept { return state.epoch == 1 && state.batch == 0 && !resumed_; }
  // True from resume() on, until the logs have been told.
  bool is_resumed() const noexcept { return resumed_; }
  void logs_resumed() noexcept { resumed_ = false; }

  // Keeps what a step changes besides weights and optimizer, until the step is complete.
  void snapshot();
  bool has_snapshot() const noexcept { return has_snapshot_; }
  void rollback();
  void complete_step() noexcept;
  // Something has changed that no file has yet.
  void touch() noexcept { unsaved_ = true; }

  void keep_best();
  const TensorMap<S>& best() const noexcept { return best_; }
  // Begins anew with what is best, for another monitor.
  void forget_best();
  // Gives the model its best weights; false when there are none yet.
  bool restore_best();

  // Flushes the logs and writes a checkpoint. Throws as check_weights().
  void save(const std::string& path);
  // Rolls back to the end of the last complete step and saves it if options.checkpoint is older.
  void save_last_step();
  // The same for what can still be saved.
  void save_after_error() noexcept;
  // All or nothing. Throws FileError for a checkpoint that does not fit.
  void resume(const std::string& path);
  // Throws NonfiniteError for a parameter that is not finite, after restore_last_good().
  void check_weights();

 private:
  Checkpoint<S> capture() const;
  void check(const Checkpoint<S>& checkpoint, const std::string& path) const;
  void apply(const Checkpoint<S>& checkpoint);
  TensorMap<S> weights() const;
  void set_weights(const TensorMap<S>& weights);
  std::string nonfinite_parameter() const;
  std::string restore_last_good();
  void save_unsaved();

  ModelAdapter<S>& model_;
  Optimizer<S>& optimizer_;
  const TrainOptions& options_;
  std::vector<NamedParameter<S>> parameters_;
  std::vector<NamedRng> generators_;
  TensorMap<S> best_;
  bool resumed_ = false;  // from a checkpoint, and the logs have not been told
  bool saved_ = false;    // options.checkpoint is a file of this trainer's
  bool unsaved_ = false;  // something has changed since

  // The snapshot.
  bool has_snapshot_ = false;
  std::vector<Rng> random_before_;
  TensorMap<S> carried_before_;
};

extern template class RunState<float>;
extern template class RunState<double>;

}  // namespace unroll::detail
