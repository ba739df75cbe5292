#include "training/trainer/run_state.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <exception>
#include <limits>
#include <set>
#include <type_traits>

#include "framework/errors.hpp"
#include "framework/quoted.hpp"

namespace unroll::detail {
namespace {

constexpr std::size_t kMostFaults = 100;  // that a message names

template <class S>
bool all_finite(const Tensor<S>& tensor) noexcept {
  return std::all_of(tensor.data(), tensor.data() + tensor.size(), [](S v) { return std::isfinite(v); });
}

// "'w' (3,4)", "'accuracy'"
template <class S>
std::string described(const std::string& name, const Tensor<S>& tensor) {
  return fmt::format("{} {}", unroll::quoted(name), to_string(tensor.shape()));
}
std::string described(const std::string& name, const std::string&) { return unroll::quoted(name); }

// What is in want or got and not the same in both.
template <class T>
void compare(std::vector<std::string>& faults, const char* part, const std::map<std::string, T>& want,
             const std::map<std::string, T>& got) {
  for (const auto& [name, value] : want) {
    const auto found = got.find(name);
    if (found == got.end()) {
      faults.push_back(fmt::format("{} {} is missing", part, described(name, value)));
    } else if constexpr (!std::is_same_v<T, std::string>) {
      if (found->second.shape() == value.shape()) continue;
      faults.push_back(fmt::format("{} {}: expected {}, got {}", part, unroll::quoted(name),
                                   to_string(value.shape()), to_string(found->second.shape())));
    }
  }
  for (const auto& [name, value] : got) {
    if (!want.contains(name))
      faults.push_back(fmt::format("{} {} is unexpected", part, described(name, value)));
  }
}

}  // namespace

template <class S>
void RunState<S>::begin() {
  parameters_ = model_.parameters();
  generators_ = model_.generators();
  std::set<std::string> names;
  for (const NamedRng& generator : generators_) {
    if (names.insert(generator.name).second) continue;
    throw ArgumentError(fmt::format(
        "[Trainer.fit] random generators: expected distinct names, got '{}' twice", generator.name));
  }
  has_snapshot_ = false;
}

// --- back to the beginning of a step

template <class S>
void RunState<S>::snapshot() {
  random_before_.clear();
  for (const NamedRng& generator : generators_) random_before_.push_back(*generator.rng);
  carried_before_ = model_.carried();
  model_.snapshot_metrics();
  has_snapshot_ = true;
}

template <class S>
void RunState<S>::rollback() {
  if (!has_snapshot_) return;
  for (std::size_t i = 0; i < generators_.size(); ++i) *generators_[i].rng = random_before_[i];
  model_.load_carried(carried_before_);
  model_.rollback_metrics();
}

template <class S>
void RunState<S>::complete_step() noexcept {
  has_snapshot_ = false;
  unsaved_ = true;
}

// --- weights

template <class S>
TensorMap<S> RunState<S>::weights() const {
  TensorMap<S> tensors;
  for (const auto& [name, var] : parameters_) tensors[name] = var.value();
  return tensors;
}

template <class S>
void RunState<S>::set_weights(const TensorMap<S>& weights) {
  for (auto& [name, var] : parameters_) var.mutable_value() = weights.at(name);
}

template <class S>
void RunState<S>::keep_best() {
  best_ = weights();
}

template <class S>
void RunState<S>::forget_best() {
  best_.clear();
  state.best_epoch = 0;
  state.best_score = std::numeric_limits<double>::quiet_NaN();
  state.patience = {};
  if (!plateau) return;
  const double lr = plateau->lr;
  plateau = options_.plateau;
  plateau->lr = lr;
}

template <class S>
bool RunState<S>::restore_best() {
  if (best_.empty()) return false;
  set_weights(best_);
  return true;
}

template <class S>
std::string RunState<S>::nonfinite_parameter() const {
  for (const auto& [name, var] : parameters_) {
    if (!all_finite(var.value())) return name;
  }
  return "";
}

template <class S>
void RunState<S>::check_weights() {
  const std::string parameter = nonfinite_parameter();
  if (parameter.empty()) return;
  const std::string what =
      fmt::format("[Trainer.fit] parameter '{}' is not finite after step {} of epoch {} (lr {})", parameter,
                  state.step, state.epoch, optimizer_.lr());
  throw NonfiniteError(fmt::format("{}. {}", what, restore_last_good()));
}

// Back to the last state whose weights are good; says which.
template <class S>
std::string RunState<S>::restore_last_good() {
  has_snapshot_ = false;
  unsaved_ = false;  // this state must not take a good checkpoint's place
  if (saved_) {
    try {
      resume(options_.checkpoint);
      return fmt::format("The trainer is back at its checkpoint {}, step {}", options_.checkpoint,
                         state.step);
    } catch (const Error&) {
      // The next best.
    }
  }
  if (restore_best()) {
    return fmt::format(
        "The model has its best weights, of epoch {}; the optimizer's state does not belong to them",
        state.best_epoch);
  }
  return "The model has these weights: there is no checkpoint and no best epoch to return to";
}

// --- checkpoints

template <class S>
Checkpoint<S> RunState<S>::capture() const {
  Checkpoint<S> checkpoint{.optimizer_name = optimizer_.optimizer_name(),
                           .model = weights(),
                           .optimizer = optimizer_.state(),
                           .best = best_,
                           .carried = model_.carried(),
                           .state = state};
  TrainState& now = checkpoint.state;
  now.metrics = model_.metric_states();
  now.plateau = plateau ? plateau->state() : "";
  now.lr.clear();
  for (std::size_t g = 0; g < optimizer_.group_count(); ++g) now.lr.push_back(optimizer_.lr(g));
  now.random.clear();
  for (const NamedRng& generator : model_.generators()) now.random[generator.name] = generator.rng->state();
  return checkpoint;
}

template <class S>
void RunState<S>::save(const std::string& path) {
  check_weights();
  // First, so that the logs hold at least what the checkpoint has seen. Where one cannot, its terminal or
  // reader gone, the run is worth more than its log.
  std::exception_ptr failed;
  for (Log* log : options_.logs) {
    try {
      log->flush();
    } catch (...) {
      if (!failed) failed = std::current_exception();
    }
  }
  save_checkpoint(path, capture());
  if (path == options_.checkpoint) {
    saved_ = true;
    unsaved_ = false;
  }
  if (failed) std::rethrow_exception(failed);
}

template <class S>
void RunState<S>::save_unsaved() {
  if (unsaved_ && !options_.checkpoint.empty()) save(options_.checkpoint);
}

template <class S>
void RunState<S>::save_last_step() {
  rollback();
  has_snapshot_ = false;
  save_unsaved();
}

template <class S>
void RunState<S>::save_after_error() noexcept {
  try {
    rollback();
    has_snapshot_ = false;
    if (nonfinite_parameter().empty()) save_unsaved();
  } catch (...) {
    // The file is the last good one, and the first error is the one to be heard.
  }
}

// Throws FileError with everything that does not fit.
template <class S>
void RunState<S>::check(const Checkpoint<S>& checkpoint, const std::string& path) const {
  const Checkpoint<S> here = capture();
  const TrainState &want = here.state, &got = checkpoint.state;
  std::vector<std::string> faults;
  if (checkpoint.optimizer_name != here.optimizer_name) {
    faults.push_back(fmt::format("optimizer: expected {}, got {}", here.optimizer_name,
                                 escaped(checkpoint.optimizer_name, 60)));
  }
  compare(faults, "parameter", here.model, checkpoint.model);
  if (!checkpoint.best.empty()) compare(faults, "best weights", here.model, checkpoint.best);
  compare(faults, "optimizer state", here.optimizer, checkpoint.optimizer);
  compare(faults, "metric", want.metrics, got.metrics);
  compare(faults, "random generator", want.random, got.random);
  if (got.lr.size() != want.lr.size())
    faults.push_back(fmt::format("optimizer: expected {} groups, got {}", want.lr.size(), got.lr.size()));
  if (got.plateau.empty() != want.plateau.empty()) {
    faults.push_back(
        fmt::format("plateau: expected {}, got {}", plateau ? "one" : "none", plateau ? "none" : "one"));
  }
  if (faults.empty()) return;
  const std::size_t more = faults.size() - std::min(faults.size(), kMostFaults);
  faults.resize(faults.size() - more);
  throw FileError(fmt::format(
      "[Trainer.resume] {}: expected a checkpoint of this model and trainer, got another: {}{}",
      escaped(path, 200), fmt::join(faults, "; "), more > 0 ? fmt::format("; and {} more", more) : ""));
}

template <class S>
void RunState<S>::apply(const Checkpoint<S>& checkpoint) {
  const TrainState& saved = checkpoint.state;
  optimizer_.load_state(checkpoint.optimizer);
  for (std::size_t g = 0; g < saved.lr.size(); ++g) optimizer_.set_lr(saved.lr[g], g);
  for (const NamedRng& generator : model_.generators()) {
    generator.rng->load_state(saved.random.at(generator.name));
  }
  model_.load_metric_states(saved.metrics);
  if (plateau) plateau->load_state(saved.plateau);
  model_.load_carried(checkpoint.carried);
  set_weights(checkpoint.model);
  best_ = checkpoint.best;
  state = saved;
}

template <class S>
void RunState<S>::resume(const std::string& path) {
  const Checkpoint<S> checkpoint = load_checkpoint<S>(path);
  check(checkpoint, path);
  const Checkpoint<S> before = capture();
  const TrainState state_before = state;  // what capture() adds to it stays out
  const auto undo = [&] {
    apply(before);
    state = state_before;
  };
  try {
    apply(checkpoint);
  } catch (const Error& error) {
    undo();
    throw FileError(fmt::format("[Trainer.resume] {}: {}", escaped(path, 200), error.what()));
  } catch (...) {
    undo();
    throw;
  }
  resumed_ = true;
  has_snapshot_ = false;
  saved_ = path == options_.checkpoint;
}

template class RunState<float>;
template class RunState<double>;

}  // namespace unroll::detail
