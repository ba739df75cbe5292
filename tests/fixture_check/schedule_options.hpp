// Schedules from a file's options, which have PyTorch's names.
#pragma once

#include <utility>
#include <vector>

#include "json_options.hpp"
#include "optim/schedules.hpp"

namespace unroll::oracle {

// What a schedule sets at step k; momentum is empty where it sets none.
struct Rates {
  Schedule lr;
  Schedule momentum;
};

inline OneCycleSchedule read_one_cycle(JsonOptions& json, double max_lr) {
  OneCycleSchedule schedule{.max_lr = max_lr, .total_steps = 0};
  if (json.has("total_steps")) {
    schedule.total_steps = json.get<std::int64_t>("total_steps");
    for (const char* key : {"epochs", "steps_per_epoch"}) json.ignore(key);
  } else {
    schedule.total_steps = json.get<std::int64_t>("epochs") * json.get<std::int64_t>("steps_per_epoch");
  }
  json.read("pct_start", schedule.pct_start);
  schedule.anneal = json.choice("anneal_strategy", "cos", "linear", true) ? OneCycleSchedule::Anneal::kCos
                                                                          : OneCycleSchedule::Anneal::kLinear;
  json.read("div_factor", schedule.div_factor);
  json.read("final_div_factor", schedule.final_div_factor);
  json.read("three_phase", schedule.three_phase);
  json.read("base_momentum", schedule.base_momentum);
  json.read("max_momentum", schedule.max_momentum);
  json.ignore("momentum_is");  // which of the optimizer's numbers it is, in words
  return schedule;
}

inline CyclicSchedule read_cyclic(JsonOptions& json, double max_lr) {
  CyclicSchedule schedule{.max_lr = max_lr, .lr_min = json.get<double>("base_lr")};
  json.read("step_size_up", schedule.steps_up);
  json.read("step_size_down", schedule.steps_down);
  std::string mode = "triangular";
  json.read("mode", mode);
  json.want("mode", mode == "triangular" || mode == "triangular2" || mode == "exp_range",
            "triangular, triangular2 or exp_range");
  schedule.mode = mode == "triangular"    ? CyclicSchedule::Mode::kTriangular
                  : mode == "triangular2" ? CyclicSchedule::Mode::kTriangular2
                                          : CyclicSchedule::Mode::kExpRange;
  json.read("gamma", schedule.gamma);
  json.read("base_momentum", schedule.base_momentum);
  json.read("max_momentum", schedule.max_momentum);
  json.ignore("momentum_is");
  return schedule;
}

// The schedule whose steps want a metric.
inline PlateauSchedule read_plateau(JsonOptions& json, double lr) {
  PlateauSchedule schedule{.lr = lr};
  schedule.mode =
      json.choice("mode", "min", "max", true) ? PlateauSchedule::Mode::kMin : PlateauSchedule::Mode::kMax;
  json.read("factor", schedule.factor);
  json.read("patience", schedule.patience);
  json.read("threshold", schedule.threshold);
  schedule.threshold_mode = json.choice("threshold_mode", "rel", "abs", true)
                                ? PlateauSchedule::Threshold::kRelative
                                : PlateauSchedule::Threshold::kAbsolute;
  json.read("cooldown", schedule.cooldown);
  json.read("min_lr", schedule.lr_min);
  json.read("eps", schedule.eps);
  json.ignore("verbose");
  json.finish();
  return schedule;
}

Rates read_schedule(JsonOptions& json, const std::string& kind, double lr);

// The parts of a chain or a sequence, with a rate for each.
template <class RateOf>
std::vector<Schedule> read_parts(JsonOptions& json, RateOf rate_of) {
  const auto& list = json.at("schedulers");
  json.want("schedulers", list.is_array(), "a list");
  std::vector<Schedule> parts;
  for (const auto& item : list) {
    JsonOptions part(item, fmt::format("{}.schedulers[{}]", json.where(), parts.size()));
    parts.push_back(read_schedule(part, part.get<std::string>("scheduler"), rate_of(parts.size())).lr);
  }
  return parts;
}

// A schedule from lr, or up to it if it is a cycle. Throws FixtureError for a kind or an option that is not
// known.
inline Rates read_schedule(JsonOptions& json, const std::string& kind, double lr) {
  Rates rates;
  // PyTorch's defaults where the struct has none, or names it differently.
  std::int64_t steps = 5;
  double gamma = 0.1, eta_min = 0.0;
  const auto cycle = [&](const auto& schedule) {
    rates.lr = schedule;
    bool momentum = true;
    json.read("cycle_momentum", momentum);
    if (momentum) rates.momentum = [schedule](std::int64_t k) { return schedule.momentum(k); };
  };
  if (kind == "step") {
    json.read("gamma", gamma);
    rates.lr = StepSchedule{.lr = lr, .step_size = json.get<std::int64_t>("step_size"), .gamma = gamma};
  } else if (kind == "multistep") {
    json.read("gamma", gamma);
    rates.lr = MultiStepSchedule{
        .lr = lr, .milestones = json.get<std::vector<std::int64_t>>("milestones"), .gamma = gamma};
  } else if (kind == "constant") {
    ConstantSchedule schedule{.lr = lr, .steps = steps};
    json.read("total_iters", schedule.steps);
    json.read("factor", schedule.factor);
    rates.lr = schedule;
  } else if (kind == "linear") {
    WarmupSchedule schedule{.lr = lr, .steps = steps};
    json.read("total_iters", schedule.steps);
    json.read("start_factor", schedule.start);
    json.read("end_factor", schedule.end);
    rates.lr = schedule;
  } else if (kind == "exponential") {
    rates.lr = ExponentialSchedule{.lr = lr, .gamma = json.get<double>("gamma")};
  } else if (kind == "polynomial") {
    PolynomialSchedule schedule{.lr = lr, .steps = steps};
    json.read("total_iters", schedule.steps);
    json.read("power", schedule.power);
    rates.lr = schedule;
  } else if (kind == "cosine") {
    json.read("eta_min", eta_min);
    rates.lr = CosineSchedule{.lr = lr, .period = json.get<std::int64_t>("T_max"), .lr_min = eta_min};
  } else if (kind == "cosine_restarts") {
    CosineRestartsSchedule schedule{.lr = lr, .period = json.get<std::int64_t>("T_0")};
    json.read("T_mult", schedule.factor);
    json.read("eta_min", schedule.lr_min);
    rates.lr = schedule;
  } else if (kind == "onecycle") {
    cycle(read_one_cycle(json, lr));
  } else if (kind == "cyclic") {
    cycle(read_cyclic(json, lr));
  } else if (kind == "chained") {  // a product: the first has the rate, the others are factors on it
    rates.lr = ChainedSchedule{read_parts(json, [&](std::size_t i) { return i == 0 ? lr : 1.0; })};
  } else if (kind == "sequential") {
    rates.lr = SequentialSchedule{read_parts(json, [&](std::size_t) { return lr; }),
                                  json.get<std::vector<std::int64_t>>("milestones")};
  } else {
    throw FixtureError(fmt::format("{}.scheduler \"{}\" is not known", json.where(), kind));
  }
  for (const char* key : {"verbose", "last_epoch"}) json.ignore(key);
  json.finish();
  return rates;
}

}  // namespace unroll::oracle
