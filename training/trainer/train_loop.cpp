#include "training/trainer/train_loop.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>

#include "framework/errors.hpp"
#include "framework/quoted.hpp"
#include "training/models/npz.hpp"
#include "training/run_files.hpp"
#include "training/trainer/interrupt.hpp"

namespace unroll::detail {
namespace {

constexpr double kSecondsBetweenLines = 10.0;

void append(Scores& all, const char* data, const Scores& scores) {
  for (const auto& [name, value] : scores) all.push_back({fmt::format("{}/{}", data, name), value});
}

std::string words(const char* data, const Scores& scores) {
  std::string text = fmt::format("  {}", data);
  for (const auto& [name, value] : scores) text += fmt::format(" {} {:.4f}", name, value);
  return text;
}

// Batches in so many epochs; the largest number where there are more, as in epochs without end.
std::size_t steps_in(std::int64_t epochs, std::int64_t batches) {
  std::int64_t product = 0;
  if (__builtin_mul_overflow(epochs, batches, &product)) product = std::numeric_limits<std::int64_t>::max();
  return static_cast<std::size_t>(product);
}

void check_names(const std::vector<NamedRng>& generators) {
  std::set<std::string> names;
  for (const NamedRng& generator : generators) {
    if (names.insert(generator.name).second) continue;
    throw ArgumentError(fmt::format(
        "[Trainer.fit] random generators: expected distinct names, got '{}' twice", generator.name));
  }
}

// The model is in training mode while it lives.
template <class S>
class TrainingMode {
 public:
  explicit TrainingMode(ModelAdapter<S>& subject) : subject_(subject) { subject_.set_training(true); }
  ~TrainingMode() { subject_.set_training(false); }
  TrainingMode(const TrainingMode&) = delete;
  TrainingMode& operator=(const TrainingMode&) = delete;

 private:
  ModelAdapter<S>& subject_;
};

}  // namespace

template <class S>
TrainLoop<S>::TrainLoop(ModelAdapter<S>& subject, Optimizer<S>& optimizer, TrainOptions options)
    : subject_(subject), optimizer_(optimizer), parameters_(subject.parameters()) {
  set_options(std::move(options));
}

template <class S>
void TrainLoop<S>::set_options(TrainOptions options) {
  options.check();
  // What the present plateau remembers stays.
  const std::optional<PlateauSchedule> before = plateau_;
  plateau_ = options.plateau;
  if (plateau_ && before) plateau_->load_state(before->state());
  options_ = std::move(options);
}

template <class S>
bool TrainLoop<S>::stopped_early() const noexcept {
  return options_.patience > 0 && state_.patience.bad_epochs >= options_.patience;
}

// Everything that a run of hours must not find out at its end.
template <class S>
void TrainLoop<S>::begin(DataAdapter<S>& task) {
  if (options_.lr && optimizer_.group_count() > 1) {
    throw ArgumentError(
        fmt::format("[Trainer.fit] lr: expected an optimizer with one group, got {} groups (lr_factor gives "
                    "a factor on each group's own rate)",
                    optimizer_.group_count()));
  }
  const std::size_t batches = task.batches();
  check_batches("train", batches);
  const auto validation_batches = task.validation_batches();
  if (validation_batches) check_batches("valid", *validation_batches);
  generators_ = subject_.generators();
  check_names(generators_);
  snapshot_ = false;
  const bool fresh = state_.epoch == 1 && state_.batch == 0 && !resumed_;
  if (options_.resume && fresh && checkpoint_exists(options_.checkpoint)) resume(options_.checkpoint);
  if (state_.batch > 0 && state_.batches != static_cast<std::int64_t>(batches)) {
    throw ArgumentError(
        fmt::format("[Trainer.fit] source: expected {} batches, as the epoch under way had, got {} (other "
                    "data or batch size?)",
                    state_.batches, batches));
  }
  state_.batches = static_cast<std::int64_t>(batches);
  find_monitor(validation_batches.has_value());
  if (resumed_) {
    save_best();  // of the earlier part, in case that no later epoch is better
    for (Log* log : options_.logs) log->resume(state_.step);
  } else if (fresh) {
    for (Log* log : options_.logs) log->text(0, "summary", subject_.summary());
  }
  resumed_ = false;
  if (plateau_) set_lr(plateau_->lr);
}

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

// Which score decides, and which way; monitor_ and goal_.
template <class S>
void TrainLoop<S>::find_monitor(bool has_validation) {
  monitor_ = options_.monitor;
  if (monitor_.empty()) monitor_ = has_validation ? "valid/loss" : "train/loss";
  const std::size_t slash = monitor_.find('/');
  const std::string data = monitor_.substr(0, slash);
  const std::string name = slash == std::string::npos ? "" : monitor_.substr(slash + 1);
  std::optional<Goal> goal = subject_.goal(name);
  if (name == "loss") goal = Goal::minimize;
  if (!goal || !(data == "train" || (data == "valid" && has_validation))) {
    Scores known;
    append(known, "train", {{"loss", 0.0}});
    append(known, "train", subject_.metric_values());
    if (has_validation) {
      append(known, "valid", {{"loss", 0.0}});
      append(known, "valid", subject_.metric_values());
    }
    std::vector<std::string> names;
    for (const NamedScalar& s : known) names.push_back(s.name);
    throw ArgumentError(
        fmt::format("[Trainer.fit] monitor: expected one of {}, got '{}'", fmt::join(names, ", "), monitor_));
  }
  goal_ = options_.goal.value_or(*goal);
  if (plateau_) {
    plateau_->mode = goal_ == Goal::minimize ? PlateauSchedule::Mode::kMin : PlateauSchedule::Mode::kMax;
  }
}

template <class S>
TrainResult TrainLoop<S>::run(DataAdapter<S>& task) {
  std::optional<Interrupt> interrupt;
  if (options_.interruptible) interrupt.emplace();
  stop_requested_ = false;
  check_files();
  std::optional<CheckpointLock> lock;
  if (!options_.checkpoint.empty()) lock.emplace(options_.checkpoint);
  begin(task);
  const std::size_t total = steps_in(options_.epochs, state_.batches);
  const std::size_t done =
      steps_in(state_.epoch - 1, state_.batches) + static_cast<std::size_t>(state_.batch);
  progress_ = std::make_unique<Progress>(
      total, Progress::Options{
                 .done = done, .seconds_between_lines = kSecondsBetweenLines, .enabled = options_.progress});
  TrainResult result;
  try {
    const TrainingMode<S> training(subject_);
    result = ended(run_epochs(task));
  } catch (...) {
    progress_.reset();
    save_after_error();
    throw;
  }
  if (result.stop != StopReason::interrupted && options_.restore_best) restore_best();
  for (Log* log : options_.logs) log->flush();
  if (result.stop != StopReason::finished) progress_->print(result.message);
  progress_.reset();
  if (options_.on_stop) options_.on_stop(result);
  return result;
}

template <class S>
StopReason TrainLoop<S>::run_epochs(DataAdapter<S>& task) {
  unsaved_ = true;
  while (true) {
    if (state_.epoch > options_.epochs) return StopReason::finished;
    if (stopped_early()) return StopReason::early;
    if (const auto stop = asked_to_stop()) return *stop;
    // From before the start, so that going back to it begins the epoch again.
    snapshot();
    task.start_epoch(state_.epoch, state_.batch == 0);
    while (true) {
      if (const auto stop = asked_to_stop()) return *stop;
      if (state_.batch == state_.batches) break;
      step(task);
    }
    end_epoch(task);
  }
}

// Saves when it is so.
template <class S>
std::optional<StopReason> TrainLoop<S>::asked_to_stop() {
  const bool interrupted = options_.interruptible && Interrupt::requested();
  if (!interrupted && !stop_requested_) return std::nullopt;
  if (snapshot_) rollback();
  snapshot_ = false;
  if (unsaved_ && !options_.checkpoint.empty()) save(options_.checkpoint);
  return interrupted ? StopReason::interrupted : StopReason::requested;
}

template <class S>
void TrainLoop<S>::end_epoch(DataAdapter<S>& task) {
  check_weights();
  EpochReport report{.epoch = state_.epoch, .step = state_.step};
  report.train.push_back({"loss", mean_loss("train", state_.epoch, state_.loss, state_.weight)});
  for (const NamedScalar& value : subject_.metric_values()) report.train.push_back(value);
  if (task.validation_batches()) report.valid = task.validate(state_.epoch);
  report.grad_norm = state_.grad_norm / static_cast<double>(state_.steps);
  report.lr = optimizer_.lr();
  update_best(report);
  state_.history.push_back(report);
  state_.epoch += 1;
  state_.batch = 0;
  state_.steps = 0;
  state_.loss = state_.weight = state_.grad_norm = 0.0;
  unsaved_ = true;
  report_epoch(report);
  // Before the checkpoint: a run that is killed between them goes on from the one before and writes it again.
  if (report.best) save_best();
  if (!options_.checkpoint.empty()) save(options_.checkpoint);
}

template <class S>
void TrainLoop<S>::save_best() const {
  const std::string& file = options_.best_file;
  if (file.empty() || best_.empty()) return;
  const StateDict<S> state{best_, options_.best_metadata.all()};
  if (file.ends_with(".npz")) {
    save_npz(file, state);
  } else {
    save_tensors(file, state);
  }
}

// The best so far, early stopping and the plateau.
template <class S>
void TrainLoop<S>::update_best(EpochReport& report) {
  Scores all;
  append(all, "train", report.train);
  append(all, "valid", report.valid);
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
  report.best = state_.best_epoch == 0 || is_better(value, state_.best_score, goal_);
  if (report.best) {
    best_ = weights();
    state_.best_score = value;
    state_.best_epoch = report.epoch;
  }
  if (options_.patience > 0) {
    EarlyStopping stopping{options_.patience, options_.min_delta, goal_, state_.patience};
    stopping(value);
    state_.patience = stopping.memory;
  }
  if (plateau_) set_lr((*plateau_)(value));
}

template <class S>
void TrainLoop<S>::report_step(const StepReport& report) {
  if (options_.log_every > 0 && report.step % options_.log_every == 0) {
    const NamedScalar values[] = {
        {"step/loss", report.loss}, {"step/grad_norm", report.grad_norm}, {"step/lr", report.lr}};
    for (Log* log : options_.logs) log->scalars(report.step, report.epoch, values);
  }
  if (options_.on_step) options_.on_step(report);
}

template <class S>
void TrainLoop<S>::report_progress() {
  const std::size_t done =
      steps_in(state_.epoch - 1, state_.batches) + static_cast<std::size_t>(state_.batch);
  const std::string label = fmt::format("epoch {}/{}", state_.epoch, options_.epochs);
  if (state_.weight > 0.0) {
    progress_->update(done, label, state_.loss / state_.weight);
  } else {
    progress_->update(done, label, "no loss yet");
  }
}

template <class S>
void TrainLoop<S>::report_epoch(const EpochReport& report) {
  Scores all;
  append(all, "train", report.train);
  append(all, "valid", report.valid);
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

template <class S>
TrainResult TrainLoop<S>::ended(StopReason stop) const {
  TrainResult result{.stop = stop,
                     .steps = state_.step,
                     .history = state_.history,
                     .best_score = state_.best_score,
                     .best_epoch = state_.best_epoch};
  if (stop == StopReason::finished) {
    result.message = fmt::format("finished {} epochs, {} steps", state_.epoch - 1, state_.step);
  } else if (stop == StopReason::early) {
    result.message =
        fmt::format("stopped early after epoch {}: no better {} than {:.4f} for {} epochs", state_.epoch - 1,
                    monitor_, state_.patience.best, state_.patience.bad_epochs);
  } else {
    result.message = fmt::format("{} in epoch {} after {} of {} batches (step {}); {}",
                                 stop == StopReason::interrupted ? "interrupted" : "stopped", state_.epoch,
                                 state_.batch, state_.batches, state_.step, how_to_go_on());
  }
  return result;
}

template <class S>
std::string TrainLoop<S>::how_to_go_on() const {
  const std::string& file = options_.checkpoint;
  if (file.empty()) {
    const std::string why = "as TrainOptions::checkpoint names no file";
    if (options_.best_file.empty() || state_.best_epoch == 0) return "nothing is saved, " + why;
    return fmt::format("the best weights are in {}; no checkpoint is saved, {}", options_.best_file, why);
  }
  if (!options_.resume_hint.empty())
    return fmt::format("saved in {}, to continue: {}", file, options_.resume_hint);
  if (options_.resume) return fmt::format("saved in {}, from which the same program continues", file);
  return fmt::format("saved in {0}, to continue call resume(\"{0}\") before fit()", file);
}

template class TrainLoop<float>;
template class TrainLoop<double>;

}  // namespace unroll::detail
