// Stopping when a metric has stopped getting better.
#pragma once

#include <cmath>
#include <cstdint>
#include <limits>
#include <string>

#include "framework/errors.hpp"
#include "optim/options.hpp"

namespace unroll {

// Which of two values of a metric is the better one.
enum class Goal { minimize, maximize };

// True when a beats b by more than margin. NaN is never better; any number is better than NaN.
inline bool is_better(double a, double b, Goal goal, double margin = 0.0) noexcept {
  if (std::isnan(a)) return false;
  if (std::isnan(b)) return true;
  return goal == Goal::minimize ? a < b - margin : a > b + margin;
}

// Call it with the metric after each epoch. It returns true when it is time to stop: after `patience` epochs
// in a row that did not beat the best one before them by more than min_delta (Prechelt 1998).
struct EarlyStopping {
  std::int64_t patience;
  double min_delta = 0.0;
  Goal goal = Goal::minimize;

  // What it keeps between calls.
  struct Memory {
    double best = std::numeric_limits<double>::quiet_NaN();  // NaN: no metric yet
    std::int64_t bad_epochs = 0;
    bool operator==(const Memory&) const = default;
  };
  Memory memory = {};

  // Throws ArgumentError for patience < 1 and for a min_delta that is negative or not finite.
  bool operator()(double metric) {
    if (patience < 1) {
      throw ArgumentError("[EarlyStopping] patience: expected >= 1, got " + std::to_string(patience));
    }
    require_at_least("EarlyStopping", "min_delta", min_delta, 0.0);
    if (is_better(metric, memory.best, goal, min_delta)) {
      memory = {metric, 0};
    } else {
      ++memory.bad_epochs;
    }
    return memory.bad_epochs >= patience;
  }
};

}  // namespace unroll
