// Learning-rate schedules: values that map an epoch (or step, counted from 0) to a learning rate.
//
//   const CosineSchedule schedule{.lr = 3e-3, .period = 50};
//   for (std::int64_t epoch = 0; epoch < 50; ++epoch) {
//     adam.set_lr(schedule(epoch));
//
// With lr = 1 a schedule is a factor, which moves every group of an optimizer from its own lr:
// adam.scale_lr(schedule(epoch)). What is not proportional to lr (a lr_min) wants a schedule for each group:
// adam.set_lr(schedules[group](epoch), group).
//
// A schedule is a struct of options and one function, so a user's own is any function of the epoch. All throw
// ArgumentError for options out of range, as those of a schedule without options are, and for a negative
// epoch.
#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <string>
#include <vector>

namespace unroll {

// lr gamma^floor(k / step_size)
struct StepSchedule {
  double lr = 0.0;
  std::int64_t step_size = 0;
  double gamma = 0.1;
  double operator()(std::int64_t k) const;
};

// lr gamma^n, n the number of milestones <= k
struct MultiStepSchedule {
  double lr = 0.0;
  std::vector<std::int64_t> milestones = {};
  double gamma = 0.1;
  double operator()(std::int64_t k) const;
};

// lr factor for the first `steps` steps, then lr.
struct ConstantSchedule {
  double lr = 0.0;
  std::int64_t steps = 0;
  double factor = 1.0 / 3.0;
  double operator()(std::int64_t k) const;
};

// lr gamma^k
struct ExponentialSchedule {
  double lr = 0.0;
  double gamma = 0.0;
  double operator()(std::int64_t k) const;
};

// lr_min + (lr - lr_min) (1 + cos(pi k / period)) / 2; beyond the period it rises again (Loshchilov and
// Hutter 2017).
struct CosineSchedule {
  double lr = 0.0;
  std::int64_t period = 0;
  double lr_min = 0.0;
  double operator()(std::int64_t k) const;
};

// The falling half of the cosine again and again: the first time over period steps, each time factor times as
// many (Loshchilov and Hutter 2017).
struct CosineRestartsSchedule {
  double lr = 0.0;
  std::int64_t period = 0;
  std::int64_t factor = 1;
  double lr_min = 0.0;
  double operator()(std::int64_t k) const;
};

// One cycle over total_steps (Smith and Topin 2018): from max_lr / div_factor up to max_lr during the share
// pct_start of the steps, then down to max_lr / div_factor / final_div_factor; with three phases down to the
// start first, as long as the way up, and to the end over the rest. The momentum runs the other way. Throws
// ArgumentError for k >= total_steps.
struct OneCycleSchedule {
  enum class Anneal { kCos, kLinear };
  double max_lr = 0.0;
  std::int64_t total_steps = 0;
  double pct_start = 0.3;
  Anneal anneal = Anneal::kCos;
  double div_factor = 25.0;
  double final_div_factor = 1e4;
  bool three_phase = false;
  double base_momentum = 0.85;
  double max_momentum = 0.95;
  double operator()(std::int64_t k) const;
  // SGD's momentum, or Adam's beta1, for step k.
  double momentum(std::int64_t k) const;

 private:
  double at(std::int64_t k, double start, double top, double end) const;
};

// Up from lr_min to max_lr over steps_up and down again over steps_down (0: as many), again and again (Smith
// 2017). The height over lr_min is full in every cycle, half the last cycle's, or full times gamma^k; the
// momentum runs the other way.
struct CyclicSchedule {
  enum class Mode { kTriangular, kTriangular2, kExpRange };
  double max_lr = 0.0;
  double lr_min = 0.0;
  std::int64_t steps_up = 2000;
  std::int64_t steps_down = 0;
  Mode mode = Mode::kTriangular;
  double gamma = 1.0;  // of kExpRange
  double base_momentum = 0.8;
  double max_momentum = 0.9;
  double operator()(std::int64_t k) const;
  // SGD's momentum for step k.
  double momentum(std::int64_t k) const;

 private:
  double height(std::int64_t k) const;  // 0..1
};

// lr (start + (end - start) min(k, steps) / steps): a linear warm-up.
struct WarmupSchedule {
  double lr = 0.0;
  std::int64_t steps = 0;
  double start = 1.0 / 3.0;
  double end = 1.0;
  double operator()(std::int64_t k) const;
};

// lr (1 - min(k, steps) / steps)^power
struct PolynomialSchedule {
  double lr = 0.0;
  std::int64_t steps = 0;
  double power = 1.0;
  double operator()(std::int64_t k) const;
};

// Any of the above, or a function.
using Schedule = std::function<double(std::int64_t)>;

// The product of several schedules: give one the learning rate and the others lr = 1.
struct ChainedSchedule {
  std::vector<Schedule> factors = {};
  double operator()(std::int64_t k) const;
};

// One schedule after the other: number i + 1 takes over at milestones[i] and counts from there.
struct SequentialSchedule {
  std::vector<Schedule> schedules = {};
  std::vector<std::int64_t> milestones = {};
  double operator()(std::int64_t k) const;
};

// Lowers lr when a metric has stopped getting better: called after each epoch with the epoch's metric it
// returns the lr of the next. A metric is better when it beats the best so far by threshold, absolute, or
// relative to its size: best - |best| threshold. After more than `patience` epochs in a row without a better
// one, lr = max(lr factor, lr_min), unless that changes it by less than eps, and then `cooldown` epochs pass
// uncounted. NaN and infinities are never better.
struct PlateauSchedule {
  enum class Mode { kMin, kMax };
  enum class Threshold { kRelative, kAbsolute };
  double lr = 0.0;  // the present one
  Mode mode = Mode::kMin;
  double factor = 0.1;
  std::int64_t patience = 10;
  double threshold = 1e-4;
  Threshold threshold_mode = Threshold::kRelative;
  std::int64_t cooldown = 0;
  double lr_min = 0.0;
  double eps = 1e-8;

  // What it remembers between calls.
  struct Memory {
    double best = std::numeric_limits<double>::quiet_NaN();  // NaN: no metric yet
    std::int64_t bad_epochs = 0;
    std::int64_t cooldown_left = 0;
  };
  Memory memory = {};

  double operator()(double metric);

  // lr and memory as text, every bit of them, for a checkpoint's metadata. Throws ArgumentError for a text
  // that state() has not given; then nothing has changed.
  std::string state() const;
  void load_state(const std::string& state);
};

}  // namespace unroll
