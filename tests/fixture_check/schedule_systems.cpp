// lr_schedule: learning rates (and momenta) of a schedule for every step; several cases in one file.
#include "registry.hpp"
#include "schedule_options.hpp"

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

void check_case(Fixture& fixture, Comparison& compare, const std::string& name) {
  JsonOptions json(fixture.option(name), "config." + name);
  const auto kind = json.get<std::string>("scheduler");
  const bool cycle = kind == "onecycle" || kind == "cyclic";
  if (cycle) json.ignore("lr0");  // replaced before the first step
  const auto rate = json.get<double>(cycle ? "max_lr" : "lr0");
  const std::string lr = "outputs/" + name + "/lr";
  if (kind == "plateau") {
    PlateauSchedule schedule = read_plateau(json, rate);
    const std::vector<double>& metric = fixture.array("inputs/" + name + "/metric").values;
    // The metric of a step decides on the learning rate of the next.
    compare_steps(fixture, compare, lr, [&](std::int64_t k) {
      return k == 0 ? schedule.lr : schedule(metric.at(static_cast<std::size_t>(k - 1)));
    });
    return;
  }
  const Rates rates = read_schedule(json, kind, rate);
  compare_steps(fixture, compare, lr, rates.lr);
  if (rates.momentum) compare_steps(fixture, compare, "outputs/" + name + "/momentum", rates.momentum);
}

void check_schedules(Fixture& fixture, Check& check) {
  const std::vector<std::string> cases = fixture.cases();
  if (cases.empty()) throw FixtureError("config: expected one object per case");
  check.path("schedule", [&](Comparison& compare) {
    for (const std::string& name : cases) check_case(fixture, compare, name);
  });
}

}  // namespace

void add_schedule_systems(Registry& registry) { registry["lr_schedule"] = check_schedules; }

}  // namespace unroll::oracle
