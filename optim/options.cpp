#include "optim/options.hpp"

#include <fmt/format.h>

#include <cmath>

#include "framework/errors.hpp"

namespace unroll {

void require_at_least(const char* where, const char* option, double value, double low) {
  if (std::isfinite(value) && value >= low) return;
  throw ArgumentError(
      fmt::format("[{}] {}: expected a finite number >= {}, got {}", where, option, low, value));
}

void require_above(const char* where, const char* option, double value, double low) {
  if (std::isfinite(value) && value > low) return;
  throw ArgumentError(
      fmt::format("[{}] {}: expected a finite number > {}, got {}", where, option, low, value));
}

void require_fraction(const char* where, const char* option, double value) {
  if (value >= 0.0 && value < 1.0) return;
  throw ArgumentError(fmt::format("[{}] {}: expected a number in [0, 1), got {}", where, option, value));
}

void require_share(const char* where, const char* option, double value) {
  if (value >= 0.0 && value <= 1.0) return;
  throw ArgumentError(fmt::format("[{}] {}: expected a number in [0, 1], got {}", where, option, value));
}

}  // namespace unroll
