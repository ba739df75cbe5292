// TrainLoop: everything into a checkpoint and out of it.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <exception>

#include "framework/errors.hpp"
#include "framework/quoted.hpp"
#include "training/trainer/train_loop.hpp"

namespace unroll::detail {
namespace {

constexpr std::size_t kMostFaults = 100;  // that a message names

// What is in want or got and not the same in both.
template <class S>
void compare(std::vector<std::string>& faults, const char* part, const TensorMap<S>& want,
             const TensorMap<S>& got) {
  for (const auto& [name, tensor] : want) {
    const auto found = got.find(name);
    if (found == got.end()) {
      faults.push_back(
          fmt::format("{} {} {} is missing", part, unroll::quoted(name), to_string(tensor.shape())));
    } else if (found->second.shape() != tensor.shape()) {
      faults.push_back(fmt::format("{} {}: expected {}, got {}", part, unroll::quoted(name),
                                   to_string(tensor.shape()), to_string(found->second.shape())));
    }
  }
  for (const auto& [name, tensor] : got) {
    if (!want.contains(name)) {
      faults.push_back(
          fmt::format("{} {} {} is unexpected", part, unroll::quoted(name), to_string(tensor.shape())));
    }
  }
}

using Texts = std::map<std::string, std::string>;

void compare(std::vector<std::string>& faults, const char* part, const Texts& want, const Texts& got) {
  for (const auto& [name, text] : want) {
    if (!got.contains(name)) faults.push_back(fmt::format("{} {} is missing", part, unroll::quoted(name)));
  }
  for (const auto& [name, text] : got) {
    if (!want.contains(name))
      faults.push_back(fmt::format("{} {} is unexpected", part, unroll::quoted(name)));
  }
}

}  // namespace

template <class S>
TensorMap<S> TrainLoop<S>::weights() const {
  TensorMap<S> tensors;
  for (const auto& [name, var] : parameters_) tensors[name] = var.value();
  return tensors;
}

template <class S>
void TrainLoop<S>::set_weights(const TensorMap<S>& weights) {
  for (auto& [name, var] : parameters_) var.mutable_value() = weights.at(name);
}

template <class S>
bool TrainLoop<S>::restore_best() {
  if (best_.empty()) return false;
  set_weights(best_);
  return true;
}

template <class S>
Checkpoint<S> TrainLoop<S>::capture() const {
  Checkpoint<S> checkpoint{.optimizer_name = optimizer_.optimizer_name(),
                           .model = weights(),
                           .optimizer = optimizer_.state(),
                           .best = best_,
                           .carried = subject_.carried(),
                           .state = state_};
  TrainState& state = checkpoint.state;
  state.metrics = subject_.metric_states();
  state.plateau = plateau_ ? plateau_->state() : "";
  state.lr.clear();
  for (std::size_t g = 0; g < optimizer_.group_count(); ++g) state.lr.push_back(optimizer_.lr(g));
  state.random.clear();
  for (const NamedRng& generator : subject_.generators()) {
    state.random[generator.name] = generator.rng->state();
  }
  return checkpoint;
}

template <class S>
void TrainLoop<S>::save(const std::string& path) {
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

// Throws FileError with everything that does not fit.
template <class S>
void TrainLoop<S>::check(const Checkpoint<S>& checkpoint, const std::string& path) const {
  const Checkpoint<S> here = capture();
  const TrainState& state = checkpoint.state;
  std::vector<std::string> faults;
  if (checkpoint.optimizer_name != here.optimizer_name) {
    faults.push_back(fmt::format("optimizer: expected {}, got {}", here.optimizer_name,
                                 escaped(checkpoint.optimizer_name, 60)));
  }
  compare(faults, "parameter", here.model, checkpoint.model);
  if (!checkpoint.best.empty()) compare(faults, "best weights", here.model, checkpoint.best);
  compare(faults, "optimizer state", here.optimizer, checkpoint.optimizer);
  compare(faults, "metric", here.state.metrics, state.metrics);
  compare(faults, "random generator", here.state.random, state.random);
  if (state.lr.size() != here.state.lr.size()) {
    faults.push_back(
        fmt::format("optimizer: expected {} groups, got {}", here.state.lr.size(), state.lr.size()));
  }
  if (state.plateau.empty() != here.state.plateau.empty()) {
    faults.push_back(
        fmt::format("plateau: expected {}, got {}", plateau_ ? "one" : "none", plateau_ ? "none" : "one"));
  }
  if (faults.empty()) return;
  const std::size_t more = faults.size() - std::min(faults.size(), kMostFaults);
  faults.resize(faults.size() - more);
  throw FileError(fmt::format(
      "[Trainer.resume] {}: expected a checkpoint of this model and trainer, got another: {}{}",
      escaped(path, 200), fmt::join(faults, "; "), more > 0 ? fmt::format("; and {} more", more) : ""));
}

template <class S>
void TrainLoop<S>::apply(const Checkpoint<S>& checkpoint) {
  const TrainState& state = checkpoint.state;
  optimizer_.load_state(checkpoint.optimizer);
  for (std::size_t g = 0; g < state.lr.size(); ++g) optimizer_.set_lr(state.lr[g], g);
  for (const NamedRng& generator : subject_.generators()) {
    generator.rng->load_state(state.random.at(generator.name));
  }
  subject_.load_metric_states(state.metrics);
  if (plateau_) plateau_->load_state(state.plateau);
  subject_.load_carried(checkpoint.carried);
  set_weights(checkpoint.model);
  best_ = checkpoint.best;
  state_ = state;
}

template <class S>
void TrainLoop<S>::resume(const std::string& path) {
  const Checkpoint<S> checkpoint = load_checkpoint<S>(path);
  check(checkpoint, path);
  const Checkpoint<S> before = capture();
  const TrainState state_before = state_;  // what capture() adds to it stays out
  const auto rollback = [&] {
    apply(before);
    state_ = state_before;
  };
  try {
    apply(checkpoint);
  } catch (const Error& error) {
    rollback();
    throw FileError(fmt::format("[Trainer.resume] {}: {}", escaped(path, 200), error.what()));
  } catch (...) {
    rollback();
    throw;
  }
  resumed_ = true;
  snapshot_ = false;
  saved_ = path == options_.checkpoint;
}

#define UNROLL_INSTANTIATE(S)                                                        \
  template TensorMap<S> TrainLoop<S>::weights() const;                               \
  template void TrainLoop<S>::set_weights(const TensorMap<S>&);                      \
  template bool TrainLoop<S>::restore_best();                                        \
  template Checkpoint<S> TrainLoop<S>::capture() const;                              \
  template void TrainLoop<S>::save(const std::string&);                              \
  template void TrainLoop<S>::check(const Checkpoint<S>&, const std::string&) const; \
  template void TrainLoop<S>::apply(const Checkpoint<S>&);                           \
  template void TrainLoop<S>::resume(const std::string&);
UNROLL_INSTANTIATE(float)
UNROLL_INSTANTIATE(double)
#undef UNROLL_INSTANTIATE

}  // namespace unroll::detail
