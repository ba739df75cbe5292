#include "optim/schedules.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numbers>
#include <string_view>
#include <system_error>

#include "framework/errors.hpp"
#include "framework/number_text.hpp"
#include "framework/quoted.hpp"
#include "optim/options.hpp"

namespace unroll {
namespace {

void require_count(const char* where, const char* option, std::int64_t value, std::int64_t low) {
  if (value >= low) return;
  throw ArgumentError(fmt::format("[{}] {}: expected >= {}, got {}", where, option, low, value));
}

// The checks of every schedule of k.
void check(const char* where, double lr, std::int64_t k) {
  require_above(where, "lr", lr, 0.0);  // 0 would be a forgotten lr
  require_count(where, "k", k, 0);
}

double power(double base, std::int64_t exponent) { return std::pow(base, static_cast<double>(exponent)); }

// From start (share 0) to end (share 1) along half a cosine.
double cosine(double start, double end, double share) {
  return end + (start - end) / 2.0 * (1.0 + std::cos(std::numbers::pi * share));
}

const Schedule& checked(const char* where, const char* what, const std::vector<Schedule>& list,
                        std::size_t i) {
  if (list[i] == nullptr)
    throw ArgumentError(
        fmt::format("[{}] {}[{}]: expected a schedule, got an empty function", where, what, i));
  return list[i];
}

double ratio(std::int64_t k, std::int64_t n) { return static_cast<double>(k) / static_cast<double>(n); }

}  // namespace

double StepSchedule::operator()(std::int64_t k) const {
  check("StepSchedule", lr, k);
  require_count("StepSchedule", "step_size", step_size, 1);
  require_above("StepSchedule", "gamma", gamma, 0.0);
  return lr * power(gamma, k / step_size);
}

double MultiStepSchedule::operator()(std::int64_t k) const {
  check("MultiStepSchedule", lr, k);
  require_above("MultiStepSchedule", "gamma", gamma, 0.0);
  return lr *
         power(gamma, std::count_if(milestones.begin(), milestones.end(), [k](auto m) { return m <= k; }));
}

double ConstantSchedule::operator()(std::int64_t k) const {
  check("ConstantSchedule", lr, k);
  require_count("ConstantSchedule", "steps", steps, 0);
  require_at_least("ConstantSchedule", "factor", factor, 0.0);
  return k < steps ? lr * factor : lr;
}

double ExponentialSchedule::operator()(std::int64_t k) const {
  check("ExponentialSchedule", lr, k);
  require_above("ExponentialSchedule", "gamma", gamma, 0.0);
  return lr * power(gamma, k);
}

double CosineSchedule::operator()(std::int64_t k) const {
  check("CosineSchedule", lr, k);
  require_count("CosineSchedule", "period", period, 1);
  require_at_least("CosineSchedule", "lr_min", lr_min, 0.0);
  return cosine(lr, lr_min, ratio(k, period));
}

double CosineRestartsSchedule::operator()(std::int64_t k) const {
  check("CosineRestartsSchedule", lr, k);
  require_count("CosineRestartsSchedule", "period", period, 1);
  require_count("CosineRestartsSchedule", "factor", factor, 1);
  require_at_least("CosineRestartsSchedule", "lr_min", lr_min, 0.0);
  if (factor == 1) return cosine(lr, lr_min, ratio(k % period, period));
  std::int64_t length = period;
  while (k >= length) {
    k -= length;
    if (length > std::numeric_limits<std::int64_t>::max() / factor) break;  // longer than any k
    length *= factor;
  }
  return cosine(lr, lr_min, ratio(k, length));
}

double OneCycleSchedule::operator()(std::int64_t k) const {
  require_above("OneCycleSchedule", "max_lr", max_lr, 0.0);
  require_above("OneCycleSchedule", "div_factor", div_factor, 0.0);
  require_above("OneCycleSchedule", "final_div_factor", final_div_factor, 0.0);
  const double start = max_lr / div_factor;
  return at(k, start, max_lr, start / final_div_factor);
}

double OneCycleSchedule::momentum(std::int64_t k) const {
  require_at_least("OneCycleSchedule", "base_momentum", base_momentum, 0.0);
  require_at_least("OneCycleSchedule", "max_momentum", max_momentum, 0.0);
  return at(k, max_momentum, base_momentum, max_momentum);
}

// The phases end at fractional steps, as PyTorch's do.
double OneCycleSchedule::at(std::int64_t k, double start, double top, double end) const {
  require_count("OneCycleSchedule", "k", k, 0);
  require_count("OneCycleSchedule", "total_steps", total_steps, 1);
  if (!(pct_start >= 0.0 && pct_start <= 1.0)) {
    throw ArgumentError(
        fmt::format("[OneCycleSchedule] pct_start: expected a number in [0, 1], got {}", pct_start));
  }
  if (k >= total_steps) {
    throw ArgumentError(
        fmt::format("[OneCycleSchedule] k: expected < total_steps = {}, got {}", total_steps, k));
  }
  const auto total = static_cast<double>(total_steps), step = static_cast<double>(k);
  const double peak = pct_start * total - 1.0;
  struct Phase {
    double last_step, from, to;
  };
  std::vector<Phase> phases{{peak, start, top}};
  if (three_phase) {
    phases.push_back({2.0 * pct_start * total - 2.0, top, start});
    phases.push_back({total - 1.0, start, end});
  } else {
    phases.push_back({total - 1.0, top, end});
  }
  double first_step = 0.0;
  std::size_t i = 0;
  while (i + 1 < phases.size() && step > phases[i].last_step) first_step = phases[i++].last_step;
  const Phase& phase = phases[i];
  const double length = phase.last_step - first_step;
  // A phase without length (pct_start total_steps = 1, up to rounding) is at its end.
  const double share = std::abs(length) < 1e-9 ? 1.0 : (step - first_step) / length;
  return anneal == Anneal::kCos ? cosine(phase.from, phase.to, share)
                                : phase.from + (phase.to - phase.from) * share;
}

double CyclicSchedule::operator()(std::int64_t k) const {
  require_above("CyclicSchedule", "max_lr", max_lr, 0.0);
  require_at_least("CyclicSchedule", "lr_min", lr_min, 0.0);
  return lr_min + (max_lr - lr_min) * height(k);
}

double CyclicSchedule::momentum(std::int64_t k) const {
  require_at_least("CyclicSchedule", "base_momentum", base_momentum, 0.0);
  require_at_least("CyclicSchedule", "max_momentum", max_momentum, 0.0);
  return max_momentum - (max_momentum - base_momentum) * height(k);
}

double CyclicSchedule::height(std::int64_t k) const {
  require_count("CyclicSchedule", "k", k, 0);
  require_count("CyclicSchedule", "steps_up", steps_up, 1);
  require_count("CyclicSchedule", "steps_down", steps_down, 0);
  require_above("CyclicSchedule", "gamma", gamma, 0.0);
  constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max() / 2;
  if (steps_up > kMost || steps_down > kMost) {
    throw ArgumentError(fmt::format("[CyclicSchedule] steps_up and steps_down: expected <= {}, got {} and {}",
                                    kMost, steps_up, steps_down));
  }
  const std::int64_t down = steps_down == 0 ? steps_up : steps_down, length = steps_up + down;
  const std::int64_t cycle = k / length, step = k % length;
  const double share = step <= steps_up ? ratio(step, steps_up) : ratio(length - step, down);
  if (mode == Mode::kTriangular) return share;
  return share * (mode == Mode::kTriangular2 ? power(0.5, cycle) : power(gamma, k));
}

double WarmupSchedule::operator()(std::int64_t k) const {
  check("WarmupSchedule", lr, k);
  require_count("WarmupSchedule", "steps", steps, 1);
  require_at_least("WarmupSchedule", "start", start, 0.0);
  require_at_least("WarmupSchedule", "end", end, 0.0);
  return lr * (start + (end - start) * ratio(std::min(k, steps), steps));
}

double PolynomialSchedule::operator()(std::int64_t k) const {
  check("PolynomialSchedule", lr, k);
  require_count("PolynomialSchedule", "steps", steps, 1);
  require_at_least("PolynomialSchedule", "power", power, 0.0);
  return lr * std::pow(1.0 - ratio(std::min(k, steps), steps), power);
}

double ChainedSchedule::operator()(std::int64_t k) const {
  if (factors.empty())
    throw ArgumentError("[ChainedSchedule] factors: expected at least one schedule, got none");
  double product = 1.0;
  for (std::size_t i = 0; i < factors.size(); ++i)
    product *= checked("ChainedSchedule", "factors", factors, i)(k);
  return product;
}

double SequentialSchedule::operator()(std::int64_t k) const {
  require_count("SequentialSchedule", "k", k, 0);
  if (schedules.size() != milestones.size() + 1) {
    throw ArgumentError(
        fmt::format("[SequentialSchedule] milestones: expected one fewer than schedules ({}), got {}",
                    schedules.size(), milestones.size()));
  }
  if (!std::is_sorted(milestones.begin(), milestones.end())) {
    throw ArgumentError("[SequentialSchedule] milestones: expected rising order");
  }
  if (!milestones.empty()) require_count("SequentialSchedule", "milestones[0]", milestones[0], 0);
  const auto next = std::upper_bound(milestones.begin(), milestones.end(), k);
  const auto i = static_cast<std::size_t>(next - milestones.begin());
  return checked("SequentialSchedule", "schedules", schedules, i)(i == 0 ? k : k - milestones[i - 1]);
}

double PlateauSchedule::operator()(double metric) {
  require_above("PlateauSchedule", "lr", lr, 0.0);
  require_fraction("PlateauSchedule", "factor", factor);
  require_count("PlateauSchedule", "patience", patience, 0);
  require_at_least("PlateauSchedule", "threshold", threshold, 0.0);
  require_count("PlateauSchedule", "cooldown", cooldown, 0);
  require_at_least("PlateauSchedule", "lr_min", lr_min, 0.0);
  require_at_least("PlateauSchedule", "eps", eps, 0.0);
  const double sign = mode == Mode::kMin ? -1.0 : 1.0, best = memory.best;
  // Relative to the size of the best, so that negative metrics can improve too.
  const double bar = threshold_mode == Threshold::kAbsolute
                         ? best + sign * threshold
                         : best * (1.0 + std::copysign(threshold, sign * best));
  const bool better = std::isfinite(metric) && (std::isnan(best) || sign * metric > sign * bar);
  if (better) memory.best = metric;
  memory.bad_epochs = better ? 0 : memory.bad_epochs + 1;
  if (memory.cooldown_left > 0) {
    --memory.cooldown_left;
    memory.bad_epochs = 0;
  }
  if (memory.bad_epochs > patience) {
    const double lowered = std::max(lr * factor, lr_min);
    if (lr - lowered > eps) lr = lowered;
    memory.cooldown_left = cooldown;
    memory.bad_epochs = 0;
  }
  return lr;
}

std::string PlateauSchedule::state() const {
  return fmt::format("{} {} {} {}", lr, memory.best, memory.bad_epochs, memory.cooldown_left);
}

void PlateauSchedule::load_state(const std::string& state) {
  std::string_view rest = state;
  bool good = true;
  const auto read = [&](auto& value) {
    if (rest.starts_with(' ')) rest.remove_prefix(1);
    good = detail::read_number(rest, value) == std::errc() && good;
  };
  double rate = 0.0;
  Memory read_memory;
  read(rate);
  read(read_memory.best);
  read(read_memory.bad_epochs);
  read(read_memory.cooldown_left);
  const auto is_count = [](std::int64_t n) { return n >= 0 && n < std::int64_t{1} << 53; };
  good = good && rest.empty() && std::isfinite(rate) && rate > 0.0 && !std::isinf(read_memory.best) &&
         is_count(read_memory.bad_epochs) && is_count(read_memory.cooldown_left);
  if (!good) {
    throw ArgumentError(fmt::format(
        "[PlateauSchedule.load_state] state: expected what state() returned, got {}", quoted(state)));
  }
  lr = rate;
  memory = read_memory;
}

}  // namespace unroll
