#include "training/trainer/early_stopping.hpp"

#include <fmt/format.h>

#include <cmath>

#include "framework/errors.hpp"
#include "optim/options.hpp"

namespace unroll {

bool is_better(double a, double b, Goal goal, double margin) noexcept {
  if (std::isnan(a)) return false;
  if (std::isnan(b)) return true;
  return goal == Goal::minimize ? a < b - margin : a > b + margin;
}

bool EarlyStopping::operator()(double metric) {
  if (patience < 1)
    throw ArgumentError(fmt::format("[EarlyStopping] patience: expected >= 1, got {}", patience));
  require_at_least("EarlyStopping", "min_delta", min_delta, 0.0);
  if (is_better(metric, memory.best, goal, min_delta)) {
    memory = {metric, 0};
  } else {
    ++memory.bad_epochs;
  }
  return memory.bad_epochs >= patience;
}

}  // namespace unroll
