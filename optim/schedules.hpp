// Learning-rate schedules: values that map an epoch (or step, counted from 0) to a learning rate.
//
//   const CosineSchedule schedule{.lr = 3e-3, .period = 50};
//   for (std::int64_t epoch = 0; epoch < 50; ++epoch) {
//     adam.set_lr(schedule(epoch));
//
// With lr = 1 a schedule is a factor on every group's own lr: adam.scale_lr(schedule(epoch)). A schedule that
// is not proportional to lr (one with lr_min) needs one instance per group:
// adam.set_lr(schedules[group](epoch), group).
//
// A schedule is a struct of options and one function; any function of the epoch can replace it. All schedules
// throw ArgumentError for options out of range, which a default-constructed schedule has, and for a negative
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

// lr_min + (lr - lr_min) (1 + cos(pi k / period)) / 2; rises again after the period (Loshchilov and Hutter
// 2017).
struct CosineSchedule {
  double lr = 0.0;
  std::int64_t period = 0;
  double lr_min = 0.0;
  double operator()(std::int64_t k) const;
};

// The falling half of the cosine, restarted: the first run takes period steps, each further run factor times
// as many (Loshchilov and Hutter 2017).
struct CosineRestartsSchedule {
  double lr = 0.0;
  std::int64_t period = 0;
  std::int64_t factor = 1;
  double lr_min = 0.0;
  double operator()(std::int64_t k) const;
};

// One cycle over total_steps (Smith and Topin 2018): from max_lr / div_factor up to max_lr in the fraction
// pct_start of the steps, then down to max_lr / div_factor / final_div_factor. With three phases it first
// goes down to the start, in as many steps as up, and then to the end in the rest. The momentum moves in the
// opposite direction. Throws ArgumentError for k >= total_steps.
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
  // Returns SGD's momentum, or Adam's beta1, for step k.
  double momentum(std::int64_t k) const;

 private:
  double at(std::int64_t k, double start, double top, double end) const;
};

// Cycles up from lr_min to max_lr over steps_up and down again over steps_down (0: the same number) (Smith
// 2017). The height over lr_min is the same in every cycle, halves with each cycle, or is scaled by gamma^k.
// The momentum moves in the opposite direction.
struct CyclicSchedule {
  enum class Mode { kTriangular, kTriangular2, kExpRange };
  double max_lr = 0.0;
  double lr_min = 0.0;
  std::int64_t steps_up = 2000;
  std::int64_t steps_down = 0;
  Mode mode = Mode::kTriangular;
  double gamma = 1.0;  // for kExpRange
  double base_momentum = 0.8;
  double max_momentum = 0.9;
  double operator()(std::int64_t k) const;
  // Returns SGD's momentum for step k.
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

// The product of several schedules: set lr in one of them and lr = 1 in the others.
struct ChainedSchedule {
  std::vector<Schedule> factors = {};
  double operator()(std::int64_t k) const;
};

// One schedule after another: schedule i + 1 starts at milestones[i] and counts from there.
struct SequentialSchedule {
  std::vector<Schedule> schedules = {};
  std::vector<std::int64_t> milestones = {};
  double operator()(std::int64_t k) const;
};

// Lowers lr when a metric stops improving. Called after each epoch with the epoch's metric, it returns the lr
// of the next epoch. A metric is better if it beats the best by threshold: absolute, or relative to its size,
// best - |best| threshold. After more than `patience` epochs in a row without improvement, lr = max(lr
// factor, lr_min), unless that changes lr by less than eps; then `cooldown` epochs are not counted. NaN and
// infinities are never better.
struct PlateauSchedule {
  enum class Mode { kMin, kMax };
  enum class Threshold { kRelative, kAbsolute };
  double lr = 0.0;  // the current one
  Mode mode = Mode::kMin;
  double factor = 0.1;
  std::int64_t patience = 10;
  double threshold = 1e-4;
  Threshold threshold_mode = Threshold::kRelative;
  std::int64_t cooldown = 0;
  double lr_min = 0.0;
  double eps = 1e-8;

  // The state between calls.
  struct Memory {
    double best = std::numeric_limits<double>::quiet_NaN();  // NaN: no metric yet
    std::int64_t bad_epochs = 0;
    std::int64_t cooldown_left = 0;
  };
  Memory memory = {};

  double operator()(double metric);

  // Save and restore lr and memory exactly, as text for a checkpoint's metadata. load_state() throws
  // ArgumentError for a text that is not from state(), and then changes nothing.
  std::string state() const;
  void load_state(const std::string& state);
};

}  // namespace unroll
