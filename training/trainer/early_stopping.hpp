// Stopping when a metric has stopped getting better.
#pragma once

#include <cstdint>
#include <limits>

namespace unroll {

// Which of two values of a metric is the better one.
enum class Goal { minimize, maximize };

// True when a beats b by more than margin. NaN never is better; any number is better than NaN.
bool is_better(double a, double b, Goal goal, double margin = 0.0) noexcept;

// Called after each epoch with the epoch's metric, returns true when it is time to stop: after `patience`
// epochs in a row of which none was better by more than min_delta than the best before them (Prechelt 1998).
struct EarlyStopping {
  std::int64_t patience;
  double min_delta = 0.0;
  Goal goal = Goal::minimize;

  // What it remembers between calls.
  struct Memory {
    double best = std::numeric_limits<double>::quiet_NaN();  // NaN: no metric yet
    std::int64_t bad_epochs = 0;
    bool operator==(const Memory&) const = default;
  };
  Memory memory = {};

  // Throws ArgumentError for patience < 1 or a min_delta that is negative or not finite.
  bool operator()(double metric);
};

}  // namespace unroll
