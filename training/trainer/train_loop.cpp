#include "training/trainer/train_loop.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "framework/errors.hpp"
#include "training/models/npz.hpp"
#include "training/run_files.hpp"
#include "training/trainer/interrupt.hpp"

namespace unroll::detail {
namespace {

// The model is in training mode while it lives.
template <class S>
class TrainingMode {
 public:
  explicit TrainingMode(ModelAdapter<S>& model) : model_(model) { model_.set_training(true); }
  ~TrainingMode() { model_.set_training(false); }
  TrainingMode(const TrainingMode&) = delete;
  TrainingMode& operator=(const TrainingMode&) = delete;

 private:
  ModelAdapter<S>& model_;
};

// Sets the flag for its lifetime.
class Running {
 public:
  explicit Running(bool& flag) : flag_(flag) { flag_ = true; }
  ~Running() { flag_ = false; }
  Running(const Running&) = delete;
  Running& operator=(const Running&) = delete;

 private:
  bool& flag_;
};

}  // namespace

template <class S>
TrainLoop<S>::TrainLoop(ModelAdapter<S>& model, Optimizer<S>& optimizer, TrainOptions options)
    : model_(model),
      optimizer_(optimizer),
      run_(model, optimizer, options_),
      reporter_(options_),
      step_(model, optimizer, options_, run_, reporter_) {
  set_options(std::move(options));
}

template <class S>
void TrainLoop<S>::set_options(TrainOptions options) {
  require_idle("set_options");
  options.check();
  // What the present plateau has seen stays.
  const std::optional<PlateauSchedule> before = run_.plateau;
  run_.plateau = options.plateau;
  if (run_.plateau && before) run_.plateau->load_state(before->state());
  options_ = std::move(options);
}

template <class S>
void TrainLoop<S>::resume(const std::string& path) {
  require_idle("resume");
  run_.resume(path);
}

template <class S>
void TrainLoop<S>::require_idle(const char* function) const {
  if (!running_) return;
  throw ArgumentError(fmt::format(
      "[Trainer.{}] expected no fit() of this trainer under way, got a call from within one (a callback?)",
      function));
}

template <class S>
TrainResult TrainLoop<S>::run(DataAdapter<S>& data) {
  require_idle("fit");
  const Running running(running_);
  std::optional<Interrupt> interrupt;
  if (options_.interruptible) interrupt.emplace();
  stop_requested_ = false;
  check_files();
  std::optional<CheckpointLock> lock;
  if (!options_.checkpoint.empty()) lock.emplace(options_.checkpoint);
  begin(data);
  reporter_.begin(run_.state);
  TrainResult result;
  try {
    const TrainingMode<S> training(model_);
    result = reporter_.result(run_epochs(data), run_.state, monitor_);
  } catch (...) {
    reporter_.end();
    run_.save_after_error();
    throw;
  }
  if (result.stop != StopReason::interrupted && options_.restore_best) restore_best();
  reporter_.stopped(result);
  return result;
}

// --- before the first epoch: everything that a run of hours must not find out at its end

template <class S>
void TrainLoop<S>::check_files() const {
  std::vector<NamedFile> files{{"checkpoint", options_.checkpoint}, {"best_file", options_.best_file}};
  const std::vector<Log*>& logs = options_.logs;
  for (auto log = logs.begin(); log != logs.end(); ++log) {
    if (std::find(logs.begin(), log, *log) != log) continue;  // one log twice is the user's wish
    files.push_back({fmt::format("logs[{}]", log - logs.begin()), (*log)->path()});
  }
  require_different_files("[Trainer.fit] ", files);
  for (const std::string& path : {options_.checkpoint, options_.best_file}) {
    if (path.empty()) continue;
    // Before this run makes one: however often a program is killed, one is left at most.
    remove_unfinished(path);
    require_file("Trainer.fit", path);
  }
}

template <class S>
void TrainLoop<S>::begin(DataAdapter<S>& data) {
  if (options_.lr && optimizer_.group_count() > 1) {
    throw ArgumentError(
        fmt::format("[Trainer.fit] lr: expected an optimizer with one group, got {} groups (lr_factor gives "
                    "a factor on each group's own rate)",
                    optimizer_.group_count()));
  }
  const std::size_t batches = data.batches();
  check_batches("train", batches);
  const auto validation_batches = data.validation_batches();
  if (validation_batches) check_batches("valid", *validation_batches);
  run_.begin();
  const bool is_new = run_.is_new();
  if (options_.resume && is_new && checkpoint_exists(options_.checkpoint)) run_.resume(options_.checkpoint);
  if (run_.state.batch == 0) run_.state.batches = static_cast<std::int64_t>(batches);
  step_.check_optimizer();
  find_monitor(validation_batches.has_value());
  if (run_.is_resumed()) {
    save_best();  // of the earlier part, in case that no later epoch is better
    for (Log* log : options_.logs) log->resume(run_.state.step);
  } else if (is_new) {
    for (Log* log : options_.logs) log->text(0, "summary", model_.summary());
  }
  run_.logs_resumed();
  if (run_.plateau) step_.set_lr(run_.plateau->lr);
}

// Which score decides, and which way; monitor_ and goal_.
template <class S>
void TrainLoop<S>::find_monitor(bool has_validation) {
  monitor_ = options_.monitor;
  if (monitor_.empty()) monitor_ = has_validation ? "valid/loss" : "train/loss";
  const std::size_t slash = monitor_.find('/');
  const std::string data = monitor_.substr(0, slash);
  const std::string name = slash == std::string::npos ? "" : monitor_.substr(slash + 1);
  const std::optional<Goal> goal = name == "loss" ? Goal::minimize : model_.goal(name);
  if (!goal || !(data == "train" || (data == "valid" && has_validation))) {
    Scores scores{{"loss", 0.0}};
    for (const NamedScalar& s : model_.metric_values()) scores.push_back(s);
    std::vector<std::string> names;
    for (const NamedScalar& s : all_scores(scores, has_validation ? scores : Scores())) {
      names.push_back(s.name);
    }
    throw ArgumentError(
        fmt::format("[Trainer.fit] monitor: expected one of {}, got '{}'", fmt::join(names, ", "), monitor_));
  }
  goal_ = options_.goal.value_or(*goal);
  // Scores of two kinds cannot be compared.
  const std::string scored = fmt::format("{} {}", goal_ == Goal::minimize ? "min" : "max", monitor_);
  if (std::exchange(run_.state.monitor, scored) != scored) run_.forget_best();
  if (run_.plateau) {
    run_.plateau->mode = goal_ == Goal::minimize ? PlateauSchedule::Mode::kMin : PlateauSchedule::Mode::kMax;
  }
}

// --- the epochs

template <class S>
StopReason TrainLoop<S>::run_epochs(DataAdapter<S>& data) {
  const TrainState& state = run_.state;
  run_.touch();
  while (true) {
    if (state.epoch > options_.epochs) return StopReason::finished;
    if (options_.patience > 0 && state.patience.bad_epochs >= options_.patience) return StopReason::early;
    if (const auto stop = asked_to_stop()) return *stop;
    // From before the start, so that going back to it begins the epoch again.
    run_.snapshot();
    data.start_epoch(state.epoch, state.batch == 0);
    set_batches(data.batches());
    while (true) {
      if (const auto stop = asked_to_stop()) return *stop;
      if (state.batch == state.batches) break;
      step(data);
    }
    end_epoch(data);
  }
}

// A source may have another number in every epoch.
template <class S>
void TrainLoop<S>::set_batches(std::size_t batches) {
  check_batches("train", batches);
  TrainState& state = run_.state;
  if (state.batch > 0 && state.batches != static_cast<std::int64_t>(batches)) {
    throw ArgumentError(
        fmt::format("[Trainer.fit] source: expected {} batches, as the epoch under way had, got {} (other "
                    "data or batch size?)",
                    state.batches, batches));
  }
  state.batches = static_cast<std::int64_t>(batches);
}

// Saves when it is so.
template <class S>
std::optional<StopReason> TrainLoop<S>::asked_to_stop() {
  const bool interrupted = options_.interruptible && Interrupt::requested();
  if (!interrupted && !stop_requested_) return std::nullopt;
  run_.save_last_step();
  return interrupted ? StopReason::interrupted : StopReason::requested;
}

template <class S>
void TrainLoop<S>::step(DataAdapter<S>& data) {
  const StepReport report = step_.run(data);
  if (report.step > 0) reporter_.step(report);
  reporter_.progress(run_.state);
  const bool due =
      options_.checkpoint_every > 0 && report.step > 0 && report.step % options_.checkpoint_every == 0;
  // After the epoch's last batch its end saves: scores that are logged there belong to the same step.
  if (due && run_.state.batch < run_.state.batches) save(options_.checkpoint);
}

template <class S>
void TrainLoop<S>::end_epoch(DataAdapter<S>& data) {
  run_.check_weights();
  step_.check_optimizer();
  TrainState& state = run_.state;
  EpochReport report{.epoch = state.epoch, .step = state.step};
  report.train.push_back({"loss", mean_loss("train", state.epoch, state.loss, state.weight)});
  for (const NamedScalar& value : model_.metric_values()) report.train.push_back(value);
  if (data.validation_batches()) report.valid = data.validate(state.epoch);
  report.grad_norm = state.grad_norm / static_cast<double>(state.steps);
  report.lr = optimizer_.lr();
  update_best(report);
  state.history.push_back(report);
  state.epoch += 1;
  state.batch = 0;
  state.steps = 0;
  state.loss = state.weight = state.grad_norm = 0.0;
  run_.touch();
  reporter_.epoch(report);
  // Before the checkpoint: a run that is killed between them goes on from the one before and writes it again.
  if (report.best) save_best();
  if (!options_.checkpoint.empty()) save(options_.checkpoint);
}

// The best so far, early stopping and the plateau.
template <class S>
void TrainLoop<S>::update_best(EpochReport& report) {
  const Scores all = all_scores(report.train, report.valid);
  const double value = score(all, monitor_);
  // Not taken for a bad epoch: with NaN as the first score nothing would ever have been better.
  if (std::isnan(value)) {
    std::vector<std::string> scores;
    for (const NamedScalar& s : all) scores.push_back(fmt::format("{} {:.4g}", s.name, s.value));
    throw NonfiniteError(
        fmt::format("[Trainer.fit] monitored score {} of epoch {}: expected a number, got one of {} (does no "
                    "label count?)",
                    monitor_, report.epoch, fmt::join(scores, ", ")));
  }
  TrainState& state = run_.state;
  report.best = state.best_epoch == 0 || is_better(value, state.best_score, goal_);
  if (report.best) {
    run_.keep_best();
    state.best_score = value;
    state.best_epoch = report.epoch;
  }
  if (options_.patience > 0) {
    EarlyStopping stopping{options_.patience, options_.min_delta, goal_, state.patience};
    stopping(value);
    state.patience = stopping.memory;
  }
  if (run_.plateau) step_.set_lr((*run_.plateau)(value));
}

template <class S>
void TrainLoop<S>::save_best() const {
  const std::string& file = options_.best_file;
  if (file.empty() || run_.best().empty()) return;
  const StateDict<S> state{run_.best(), options_.best_metadata.all()};
  if (file.ends_with(".npz")) {
    save_npz(file, state);
  } else {
    save_tensors(file, state);
  }
}

template class TrainLoop<float>;
template class TrainLoop<double>;

}  // namespace unroll::detail
