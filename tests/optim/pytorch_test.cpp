// Optimizers, schedules and clipping against PyTorch 1.13, which reference/optimizers.py has asked.
#include <catch2/catch.hpp>
#include <cmath>
#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>

#include "optim/clip.hpp"
#include "tests/fixture_check/optimizer_options.hpp"
#include "tests/fixture_check/schedule_options.hpp"
#include "tests/optim/gradients.hpp"

using namespace unroll;
using nlohmann::json;
using oracle::JsonOptions;

namespace {

const json& reference() {
  static const json file = json::parse(std::ifstream(UNROLL_SOURCE_DIR "/tests/reference/optimizers.json"));
  return file;
}

Tensor<double> tensor(const Shape& shape, const json& values) {
  return from_values(shape, values.get<std::vector<double>>());
}

std::vector<Var<double>> start() {
  std::vector<Var<double>> parameters;
  for (std::size_t i = 0; i < reference().at("shapes").size(); ++i) {
    Shape shape;
    for (const std::size_t size : reference().at("shapes")[i]) shape.push_back(size);
    parameters.push_back(parameter(tensor(shape, reference().at("start")[i])));
  }
  return parameters;
}

// A null is a parameter without a gradient.
void set_gradients(Tape& tape, const std::vector<Var<double>>& parameters, const json& gradients) {
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    if (!gradients[i].is_null())
      set_gradient(tape, parameters[i], tensor(parameters[i].shape(), gradients[i]));
  }
}

// 1e-12 relative; near a zero that PyTorch reaches by rounding steps, 1e-15 of the largest number.
void check_near(double got, double want, double largest) {
  CHECK(std::abs(got - want) <= 1e-12 * std::abs(want) + 1e-15 * largest);
}

void check_all_near(const Tensor<double>& got, const json& want) {
  REQUIRE(got.size() == want.size());
  for (std::size_t i = 0; i < got.size(); ++i) check_near(got.data()[i], want[i], 0.0);
}

// The schedule of a case from another rate.
oracle::Rates schedule_of(const json& json, double lr) {
  JsonOptions options(json, "case");
  options.ignore("lr");
  options.ignore("momentum");
  return oracle::read_schedule(options, options.get<std::string>("scheduler"), lr);
}
PlateauSchedule plateau_of(const json& json, double lr) {
  JsonOptions options(json, "case");
  for (const char* key : {"scheduler", "lr", "momentum"}) options.ignore(key);
  return oracle::read_plateau(options, lr);
}

// Whether a rate from twice the base is twice the rate.
bool is_proportional(const json& json) {
  if (json.contains("schedulers")) {
    for (const auto& part : json.at("schedulers")) {
      if (!is_proportional(part)) return false;
    }
  }
  for (const char* key : {"eta_min", "base_lr", "min_lr", "eps"}) {
    if (json.value(key, 0.0) != 0.0) return false;
  }
  return true;
}

}  // namespace

TEST_CASE("every optimizer follows PyTorch with every option, in one group and in two") {
  std::size_t two_groups = 0;
  REQUIRE(reference().at("optimizers").size() > 30);
  for (const auto& c : reference().at("optimizers")) {
    const std::string kind = c.at("optimizer");
    CAPTURE(kind, c.at("groups").dump());
    const auto parameters = start();
    std::vector<oracle::Vars> groups{parameters};
    if (c.at("groups").size() == 2) {
      groups = {{parameters[0]}, {parameters[1]}};
      ++two_groups;
    }
    std::vector<JsonOptions> options;
    for (const auto& group : c.at("groups")) options.emplace_back(group, "group");
    const auto optimizer = oracle::make_optimizer(kind, groups, options);
    std::size_t kept = 0;
    for (std::size_t step = 0; step < reference().at("gradients").size(); ++step) {
      Tape tape;
      set_gradients(tape, parameters, reference().at("gradients")[step]);
      optimizer->step();
      if (step != reference().at("kept_steps")[kept]) continue;
      CAPTURE(step);
      for (std::size_t i = 0; i < parameters.size(); ++i) {
        check_all_near(parameters[i].value(), c.at("after")[kept][i]);
      }
      ++kept;
    }
    CHECK(kept == c.at("after").size());
  }
  CHECK(two_groups >= 7);
}

TEST_CASE("every schedule gives PyTorch's rates, from every group's own rate") {
  const auto metric = reference().at("metric").get<std::vector<double>>();
  std::size_t factors = 0;
  REQUIRE(reference().at("schedules").size() > 30);
  for (const auto& c : reference().at("schedules")) {
    CAPTURE(c.dump().substr(0, 200));
    const auto rates = reference().at("rates").get<std::vector<double>>();
    const auto parameters = start();
    Sgd<double> sgd({{{parameters[0]}, {.lr = rates[0]}}, {{parameters[1]}, {.lr = rates[1]}}});
    const bool plateau = c.at("scheduler") == "plateau";
    std::vector<std::vector<double>> got(rates.size());
    const std::size_t steps = c.at("lr")[0].size();
    for (std::size_t group = 0; group < rates.size(); ++group) {
      PlateauSchedule watching = plateau ? plateau_of(c, rates[group]) : PlateauSchedule{.lr = 1.0};
      const Schedule schedule = plateau ? Schedule() : schedule_of(c, rates[group]).lr;
      for (std::size_t k = 0; k < steps; ++k) {
        if (plateau && k > 0) watching(metric[k - 1]);
        sgd.set_lr(plateau ? watching.lr : schedule(static_cast<std::int64_t>(k)), group);
        check_near(sgd.lr(group), c.at("lr")[group][k], rates[group]);
      }
    }
    if (!is_proportional(c)) continue;
    // with a rate of 1 a schedule is the factor on all groups
    ++factors;
    PlateauSchedule watching = plateau ? plateau_of(c, 1.0) : PlateauSchedule{.lr = 1.0};
    watching.eps = 0.0;  // absolute, so it would not know of the groups' rates
    const Schedule schedule = plateau ? Schedule() : schedule_of(c, 1.0).lr;
    for (std::size_t k = 0; k < steps; ++k) {
      if (plateau && k > 0) watching(metric[k - 1]);
      sgd.scale_lr(plateau ? watching.lr : schedule(static_cast<std::int64_t>(k)));
      for (std::size_t group = 0; group < rates.size(); ++group) {
        CAPTURE(k, group);
        // PyTorch's default eps stops a plateau below 1e-8
        if (plateau && c.at("lr")[group][k] < 2e-8) continue;
        check_near(sgd.lr(group), c.at("lr")[group][k], rates[group]);
      }
    }
  }
  CHECK(factors > 20);
}

TEST_CASE("cycles give PyTorch's momentum") {
  std::size_t cycles = 0;
  for (const auto& c : reference().at("schedules")) {
    const auto kind = c.at("scheduler");
    if (kind != "onecycle" && kind != "cyclic") continue;
    CAPTURE(c.dump().substr(0, 200));
    const Schedule momentum = schedule_of(c, 0.1).momentum;
    REQUIRE(static_cast<bool>(momentum) == c.contains("momentum"));
    if (!momentum) continue;
    ++cycles;
    for (std::size_t k = 0; k < c.at("momentum").size(); ++k) {
      check_near(momentum(static_cast<std::int64_t>(k)), c.at("momentum")[k], 0.0);
    }
  }
  CHECK(cycles >= 7);
}

TEST_CASE("a plateau that is saved and restored at every step gives PyTorch's rates") {
  const auto metric = reference().at("metric").get<std::vector<double>>();
  std::size_t lowered = 0;
  for (const auto& c : reference().at("schedules")) {
    if (c.at("scheduler") != "plateau") continue;
    CAPTURE(c.dump().substr(0, 200));
    PlateauSchedule schedule = plateau_of(c, 0.1);
    for (std::size_t k = 0; k < c.at("lr")[0].size(); ++k) {
      check_near(schedule.lr, c.at("lr")[0][k], 0.0);
      const std::string saved = schedule.state();
      schedule = plateau_of(c, 0.7);
      schedule.load_state(saved);
      schedule(metric[k]);
    }
    lowered += schedule.lr < 0.1 ? 1 : 0;
  }
  CHECK(lowered >= 4);
}

TEST_CASE("clipping by every norm gives PyTorch's gradients") {
  REQUIRE(reference().at("clipping").size() == 10);
  for (const auto& c : reference().at("clipping")) {
    CAPTURE(c.dump().substr(0, 200));
    const double p = c.at("norm_type").is_string() ? std::numeric_limits<double>::infinity()
                                                   : c.at("norm_type").get<double>();
    const auto parameters = start();
    Tape tape;
    set_gradients(tape, parameters, reference().at("gradients")[0]);
    check_near(grad_norm(parameters, p), c.at("norm"), 0.0);
    check_near(clip_grad_norm(parameters, c.at("max_norm").get<double>(), {.norm_type = p}), c.at("norm"),
               0.0);
    for (std::size_t i = 0; i < parameters.size(); ++i)
      check_all_near(parameters[i].grad(), c.at("after")[i]);
  }
}
