#include "training/trainer/train_options.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <bit>

#include "framework/errors.hpp"
#include "optim/options.hpp"
#include "training/run_files.hpp"

namespace unroll {
namespace {

void require_count(const char* option, std::int64_t value, std::int64_t low) {
  if (value >= low) return;
  throw ArgumentError(fmt::format("[Trainer] {}: expected >= {}, got {}", option, low, value));
}

bool same_bits(double a, double b) noexcept {
  return std::bit_cast<std::uint64_t>(a) == std::bit_cast<std::uint64_t>(b);
}

bool same_scores(const Scores& a, const Scores& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const NamedScalar& x, const NamedScalar& y) {
    return x.name == y.name && same_bits(x.value, y.value);
  });
}

}  // namespace

double score(const Scores& scores, const std::string& name) {
  std::vector<std::string> names;
  for (const NamedScalar& s : scores) {
    if (s.name == name) return s.value;
    names.push_back(s.name);
  }
  throw ArgumentError(
      fmt::format("[score] name: expected one of {}, got '{}'", fmt::join(names, ", "), name));
}

bool EpochReport::operator==(const EpochReport& other) const {
  return epoch == other.epoch && step == other.step && same_scores(train, other.train) &&
         same_scores(valid, other.valid) && same_bits(grad_norm, other.grad_norm) &&
         same_bits(lr, other.lr) && best == other.best;
}

const char* to_string(StopReason stop) noexcept {
  switch (stop) {
    case StopReason::finished:
      return "finished";
    case StopReason::early:
      return "early";
    case StopReason::interrupted:
      return "interrupted";
    case StopReason::requested:
      break;
  }
  return "requested";
}

void TrainOptions::check() const {
  require_count("epochs", epochs, 0);
  require_count("accumulate", accumulate, 1);
  require_at_least("Trainer", "clip_norm", clip_norm, 0.0);
  require_at_least("Trainer", "clip_value", clip_value, 0.0);
  require_count("patience", patience, 0);
  require_at_least("Trainer", "min_delta", min_delta, 0.0);
  require_count("checkpoint_every", checkpoint_every, 0);
  require_count("log_every", log_every, 0);
  require_count("histograms_every", histograms_every, 0);
  if ((lr ? 1 : 0) + (lr_factor ? 1 : 0) + (plateau ? 1 : 0) > 1) {
    throw ArgumentError("[Trainer] expected at most one of lr, lr_factor and plateau, got several");
  }
  if (plateau) {
    PlateauSchedule trial = *plateau;
    trial(0.0);  // its options, before an epoch has been spent
  }
  if (checkpoint.empty() && (resume || checkpoint_every > 0)) {
    throw ArgumentError(fmt::format("[Trainer] checkpoint: expected a file's name for {}, got none",
                                    resume ? "resume" : "checkpoint_every"));
  }
  detail::require_different_files("[Trainer] ", {{"checkpoint", checkpoint}, {"best_file", best_file}});
  if (std::find(logs.begin(), logs.end(), nullptr) != logs.end()) {
    throw ArgumentError("[Trainer] logs: expected a log, got a null pointer");
  }
}

}  // namespace unroll
