// lr_schedule: learning rates (and momenta) of a schedule for every step; several cases in one file.
#include <fmt/format.h>

#include "optim/schedules.hpp"
#include "registry.hpp"

namespace unroll::oracle {
namespace {

// One value per step of the expected array.
template <class F>
void compare_steps(Fixture& fixture, Comparison& compare, const std::string& array, F&& value) {
  if (!fixture.has(array)) return compare.fail(array + " is missing");
  Tensor<double> got(fixture.array(array).shape);
  for (std::size_t k = 0; k < got.size(); ++k) got.data()[k] = value(static_cast<std::int64_t>(k));
  compare.equal(array, got);
}

OneCycleSchedule read_one_cycle(Fixture& fixture, const std::string& name) {
  const auto anneal = fixture.get<std::string>(name + ".anneal_strategy");
  if (anneal != "cos" && anneal != "linear") {
    throw FixtureError(fmt::format("config.{}.anneal_strategy want cos or linear, got \"{}\"", name, anneal));
  }
  // Which of the optimizer's numbers the momentum is, in words.
  if (fixture.has_option(name + ".momentum_is")) fixture.get<std::string>(name + ".momentum_is");
  return {.max_lr = fixture.get<double>(name + ".max_lr"),
          .total_steps = fixture.get<std::int64_t>(name + ".total_steps"),
          .pct_start = fixture.get<double>(name + ".pct_start"),
          .anneal = anneal == "cos" ? OneCycleSchedule::Anneal::kCos : OneCycleSchedule::Anneal::kLinear,
          .div_factor = fixture.get<double>(name + ".div_factor"),
          .final_div_factor = fixture.get<double>(name + ".final_div_factor"),
          .three_phase = fixture.get<bool>(name + ".three_phase"),
          .base_momentum = fixture.get<double>(name + ".base_momentum"),
          .max_momentum = fixture.get<double>(name + ".max_momentum")};
}

PlateauSchedule read_plateau(Fixture& fixture, const std::string& name) {
  const auto choice = [&](const char* key, const char* first, const char* second) {
    const auto text = fixture.get<std::string>(name + "." + key);
    if (text != first && text != second) {
      throw FixtureError(
          fmt::format("config.{}.{} want {} or {}, got \"{}\"", name, key, first, second, text));
    }
    return text == first;
  };
  return {.lr = fixture.get<double>(name + ".lr0"),
          .mode = choice("mode", "min", "max") ? PlateauSchedule::Mode::kMin : PlateauSchedule::Mode::kMax,
          .factor = fixture.get<double>(name + ".factor"),
          .patience = fixture.get<std::int64_t>(name + ".patience"),
          .threshold = fixture.get<double>(name + ".threshold"),
          .threshold_mode = choice("threshold_mode", "rel", "abs") ? PlateauSchedule::Threshold::kRelative
                                                                   : PlateauSchedule::Threshold::kAbsolute,
          .cooldown = fixture.get<std::int64_t>(name + ".cooldown"),
          .lr_min = fixture.get<double>(name + ".min_lr"),
          .eps = fixture.get<double>(name + ".eps")};
}

void check_case(Fixture& fixture, Comparison& compare, const std::string& name) {
  const auto kind = fixture.get<std::string>(name + ".scheduler");
  const std::string lr = "outputs/" + name + "/lr";
  if (kind == "step") {
    compare_steps(fixture, compare, lr,
                  StepSchedule{.lr = fixture.get<double>(name + ".lr0"),
                               .step_size = fixture.get<std::int64_t>(name + ".step_size"),
                               .gamma = fixture.get<double>(name + ".gamma")});
  } else if (kind == "cosine") {
    compare_steps(fixture, compare, lr,
                  CosineSchedule{.lr = fixture.get<double>(name + ".lr0"),
                                 .period = fixture.get<std::int64_t>(name + ".T_max"),
                                 .lr_min = fixture.get<double>(name + ".eta_min")});
  } else if (kind == "onecycle") {
    const OneCycleSchedule schedule = read_one_cycle(fixture, name);
    compare_steps(fixture, compare, lr, schedule);
    compare_steps(fixture, compare, "outputs/" + name + "/momentum",
                  [&](std::int64_t k) { return schedule.momentum(k); });
  } else if (kind == "plateau") {
    PlateauSchedule schedule = read_plateau(fixture, name);
    const std::vector<double>& metric = fixture.array("inputs/" + name + "/metric").values;
    // The metric of a step decides on the learning rate of the next.
    compare_steps(fixture, compare, lr, [&](std::int64_t k) {
      return k == 0 ? schedule.lr : schedule(metric.at(static_cast<std::size_t>(k - 1)));
    });
  } else {
    throw FixtureError(fmt::format("config.{}.scheduler \"{}\" is not known", name, kind));
  }
}

void check_schedules(Fixture& fixture, Check& check) {
  const std::vector<std::string> cases = fixture.cases();
  if (cases.empty()) throw FixtureError("config want one object per case");
  check.path("schedule", [&](Comparison& compare) {
    for (const std::string& name : cases) check_case(fixture, compare, name);
  });
}

}  // namespace

void add_schedule_systems(Registry& registry) { registry["lr_schedule"] = check_schedules; }

}  // namespace unroll::oracle
