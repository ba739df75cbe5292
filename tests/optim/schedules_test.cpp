// Expected numbers without another source are PyTorch 1.13's.
#include "optim/schedules.hpp"

#include <catch2/catch.hpp>
#include <fstream>
#include <nlohmann/json.hpp>

#include "framework/errors.hpp"

using namespace unroll;

namespace {

void check_rates(const Schedule& schedule, const std::vector<double>& expected) {
  for (std::size_t k = 0; k < expected.size(); ++k) {
    CAPTURE(k);
    CHECK(schedule(static_cast<std::int64_t>(k)) == Approx(expected[k]).epsilon(1e-13).margin(1e-16));
  }
}

nlohmann::json fixture() {
  std::ifstream file(UNROLL_SOURCE_DIR "/tests/fixtures/lr_schedules.json");
  REQUIRE(file);
  return nlohmann::json::parse(file);
}

std::vector<double> numbers(const nlohmann::json& array) {
  return array.at("data").get<std::vector<double>>();
}

}  // namespace

TEST_CASE("the reference schedules") {
  const auto json = fixture();
  const auto& outputs = json.at("outputs");
  check_rates(StepSchedule{.lr = 0.1, .step_size = 10, .gamma = 0.5}, numbers(outputs.at("StepLR").at("lr")));
  check_rates(CosineSchedule{.lr = 0.1, .period = 50}, numbers(outputs.at("CosineAnnealingLR").at("lr")));
  const OneCycleSchedule cycle{.max_lr = 0.1, .total_steps = 50};
  check_rates(cycle, numbers(outputs.at("OneCycleLR").at("lr")));
  check_rates([&](std::int64_t k) { return cycle.momentum(k); },
              numbers(outputs.at("OneCycleLR").at("momentum")));
  // the rate of step k is the one before metric k is seen
  PlateauSchedule plateau{.lr = 0.1, .factor = 0.5, .patience = 3};
  const auto metric = numbers(json.at("inputs").at("ReduceLROnPlateau").at("metric"));
  const auto expected = numbers(outputs.at("ReduceLROnPlateau").at("lr"));
  REQUIRE(metric.size() == 50);
  for (std::size_t k = 0; k < metric.size(); ++k) {
    CHECK(plateau.lr == expected[k]);
    CHECK(plateau(metric[k]) == plateau.lr);
  }
  CHECK(expected.back() < 0.1);
}

TEST_CASE("steps at milestones, also at two equal ones") {
  check_rates(MultiStepSchedule{.lr = 0.1, .milestones = {3, 5, 5, 9}, .gamma = 0.5},
              {0.1, 0.1, 0.1, 0.05, 0.05, 0.0125, 0.0125, 0.0125, 0.0125, 0.00625, 0.00625});
}

TEST_CASE("exponential decay") {
  check_rates(ExponentialSchedule{.lr = 0.1, .gamma = 0.9}, {0.1, 0.09, 0.081, 0.0729, 0.06561});
}

TEST_CASE("a constant share of the rate, then all of it") {
  check_rates(ConstantSchedule{.lr = 0.1, .steps = 2, .factor = 0.25}, {0.025, 0.025, 0.1, 0.1});
  check_rates(ConstantSchedule{.lr = 0.1, .steps = 0}, {0.1, 0.1});
}

TEST_CASE("cycles of equal, of halved and of decaying height") {
  using Mode = CyclicSchedule::Mode;
  CyclicSchedule cycle{.max_lr = 0.5, .lr_min = 0.1, .steps_up = 2, .steps_down = 1};
  check_rates(cycle, {0.1, 0.3, 0.5, 0.1, 0.3, 0.5, 0.1});
  check_rates([&](std::int64_t k) { return cycle.momentum(k); }, {0.9, 0.85, 0.8, 0.9, 0.85, 0.8});
  cycle.mode = Mode::kTriangular2;
  check_rates(cycle, {0.1, 0.3, 0.5, 0.1, 0.2, 0.3, 0.1, 0.15, 0.2});
  cycle.mode = Mode::kExpRange;
  cycle.gamma = 0.5;
  check_rates(cycle, {0.1, 0.2, 0.2, 0.1, 0.1125});
  check_rates(CyclicSchedule{.max_lr = 1.0, .lr_min = 0.0, .steps_up = 2}, {0.0, 0.5, 1.0, 0.5, 0.0});
}

TEST_CASE("the cosine rises again after its period") {
  check_rates(CosineSchedule{.lr = 0.1, .period = 4, .lr_min = 0.01},
              {0.1, 0.08681980515339464, 0.055, 0.023180194846605363, 0.01, 0.023180194846605363, 0.055});
}

TEST_CASE("cosine restarts, of equal and of growing length") {
  check_rates(CosineRestartsSchedule{.lr = 0.1, .period = 4, .lr_min = 0.01},
              {0.1, 0.08681980515339464, 0.055, 0.023180194846605363, 0.1, 0.08681980515339464, 0.055});
  const CosineRestartsSchedule growing{.lr = 0.1, .period = 2, .factor = 2, .lr_min = 0.01};
  check_rates(growing,
              {0.1, 0.055, 0.1, 0.08681980515339464, 0.055, 0.023180194846605363, 0.1, 0.0965745789630079,
               0.08681980515339464, 0.07222075445642905, 0.055, 0.03777924554357097});
  CHECK(growing(std::numeric_limits<std::int64_t>::max()) >= 0.01);
}

TEST_CASE("one cycle in three phases, linear and cosine") {
  OneCycleSchedule cycle{.max_lr = 0.1,
                         .total_steps = 12,
                         .pct_start = 0.4,
                         .anneal = OneCycleSchedule::Anneal::kLinear,
                         .three_phase = true};
  check_rates(cycle, {0.004, 0.029263157894736835, 0.05452631578947367, 0.07978947368421052,
                      0.09494736842105266, 0.06968421052631582, 0.04442105263157898, 0.01915789473684215,
                      0.003529458823529413, 0.0023531058823529423, 0.0011767529411764715, 4e-07});
  check_rates([&](std::int64_t k) { return cycle.momentum(k); },
              {0.95, 0.9236842105263158, 0.8973684210526316, 0.8710526315789473, 0.8552631578947368,
               0.881578947368421, 0.9078947368421052, 0.9342105263157894, 0.95, 0.95, 0.95, 0.95});
  cycle.anneal = OneCycleSchedule::Anneal::kCos;
  check_rates(cycle, {0.004, 0.019490484561964422, 0.05596380858267193, 0.08987874445102689,
                      0.09934534256333069, 0.07825351158987653, 0.0402166966172417, 0.009785259942088557,
                      0.003864957964362831, 0.002547471247546153, 0.0007950512541687639, 4e-07});
}

TEST_CASE("one cycle starts at its top when there is no way up") {
  for (const double pct_start : {0.0, 0.1}) {
    const OneCycleSchedule cycle{.max_lr = 0.1, .total_steps = 10, .pct_start = pct_start};
    CHECK(cycle(0) <= 0.1);
    CHECK(cycle(0) > 0.09);
    CHECK(cycle(9) == Approx(4e-7));
  }
}

TEST_CASE("linear warm-up and polynomial decay stay at their ends") {
  check_rates(WarmupSchedule{.lr = 0.1, .steps = 5, .start = 0.1, .end = 0.8},
              {0.01, 0.024, 0.038, 0.052, 0.066, 0.08, 0.08, 0.08});
  check_rates(PolynomialSchedule{.lr = 0.1, .steps = 5, .power = 2.0},
              {0.1, 0.064, 0.036, 0.016, 0.004, 0.0, 0.0});
}

TEST_CASE("schedules multiply and follow one another") {
  check_rates(ChainedSchedule{{WarmupSchedule{.lr = 0.1, .steps = 3, .start = 0.25},
                               ExponentialSchedule{.lr = 1.0, .gamma = 0.9}}},
              {0.025, 0.045, 0.06075, 0.0729, 0.06561, 0.059049});
  check_rates(SequentialSchedule{{WarmupSchedule{.lr = 0.1, .steps = 3, .start = 0.25},
                                  CosineSchedule{.lr = 0.1, .period = 4}},
                                 {3}},
              {0.025, 0.05, 0.075, 0.1, 0.08535533905932738, 0.05, 0.014644660940672627, 0.0});
}

TEST_CASE("the next schedule takes over at its milestone") {
  const SequentialSchedule schedule{
      {ExponentialSchedule{.lr = 8.0, .gamma = 0.5}, ExponentialSchedule{.lr = 3.0, .gamma = 0.5},
       ExponentialSchedule{.lr = 5.0, .gamma = 0.5}},
      {2, 3}};
  check_rates(schedule, {8.0, 4.0, 3.0, 5.0, 2.5});
}

TEST_CASE("a plateau lowers the rate, with cooldown and a smallest rate") {
  const std::vector<double> metric{1.0,  1.05, 1.2, 1.1, 1.0, 0.9, 0.9, 0.8, 0.7, 1.29,
                                   1.31, 1.0,  0.5, 0.4, 0.3, 0.2, 0.2, 0.2, 0.2, 0.2};
  PlateauSchedule highest{.lr = 0.1,
                          .mode = PlateauSchedule::Mode::kMax,
                          .factor = 0.5,
                          .patience = 1,
                          .threshold = 0.1,
                          .threshold_mode = PlateauSchedule::Threshold::kAbsolute,
                          .cooldown = 2,
                          .lr_min = 0.02};
  PlateauSchedule lowest{.lr = 0.1, .factor = 0.5, .patience = 1, .threshold = 0.1, .lr_min = 0.02};
  const std::vector<double> expected_highest{0.1,   0.1,   0.1,  0.1,  0.05, 0.05, 0.05, 0.05, 0.025, 0.025,
                                             0.025, 0.025, 0.02, 0.02, 0.02, 0.02, 0.02, 0.02, 0.02,  0.02};
  const std::vector<double> expected_lowest{0.1, 0.1, 0.05, 0.05, 0.025, 0.025, 0.02, 0.02, 0.02, 0.02};
  for (std::size_t k = 0; k < metric.size(); ++k) CHECK(highest(metric[k]) == expected_highest[k]);
  for (std::size_t k = 0; k < expected_lowest.size(); ++k) CHECK(lowest(metric[k]) == expected_lowest[k]);
}

TEST_CASE("a plateau goes on from a copy of itself") {
  PlateauSchedule a{.lr = 0.1, .patience = 1};
  a(1.0);
  a(1.0);
  PlateauSchedule b{.lr = a.lr, .patience = 1, .memory = a.memory};
  CHECK(b(1.0) == 0.1 * 0.1);
}

TEST_CASE("a plateau's state is text that keeps every bit") {
  PlateauSchedule a{.lr = 0.1, .factor = 0.3, .patience = 2, .cooldown = 3};
  const std::string fresh = a.state();  // no metric yet
  for (const double metric : {1.0 / 3.0, 0.5, 0.5, 0.5, 0.5}) a(metric);
  PlateauSchedule b{.lr = 7.0, .factor = 0.3, .patience = 2, .cooldown = 3};
  b.load_state(a.state());
  CHECK(b.lr == 0.1 * 0.3);
  CHECK(b.memory.best == 1.0 / 3.0);
  CHECK(b.memory.cooldown_left == 2);
  for (const double metric : {0.4, 0.4, 0.4, 0.4, 0.4, 0.4, 0.3}) CHECK(a(metric) == b(metric));
  CHECK(a.lr < 0.01);
  a.load_state(fresh);
  CHECK(a.lr == 0.1);
  CHECK(std::isnan(a.memory.best));
  for (const std::string bad : {"", "0.1", "0.1 nan 0", "0.1 nan 0 0 0", "0.1 nan x 0", "0.1  nan 0 0"}) {
    CAPTURE(bad);
    CHECK_THROWS_WITH(b.load_state(bad), Catch::Contains("[PlateauSchedule.load_state]"));
  }
  CHECK(b.lr < 0.01);
}

TEST_CASE("NaN never is a better metric") {
  PlateauSchedule plateau{.lr = 0.1, .patience = 0};
  CHECK(plateau(std::numeric_limits<double>::quiet_NaN()) == 0.1 * 0.1);
}

TEST_CASE("schedules refuse options out of range and negative epochs") {
  CHECK_THROWS_AS((StepSchedule{.lr = 0.1, .step_size = 0})(1), ArgumentError);
  CHECK_THROWS_AS((StepSchedule{.lr = -0.1, .step_size = 2})(1), ArgumentError);
  CHECK_THROWS_WITH((StepSchedule{.lr = 0.1, .step_size = 2})(-1), "[StepSchedule] k: expected >= 0, got -1");
  CHECK_THROWS_AS((MultiStepSchedule{.lr = 0.0, .milestones = {}})(1), ArgumentError);
  CHECK_THROWS_AS((ExponentialSchedule{.lr = 0.1, .gamma = 0.0})(1), ArgumentError);
  CHECK_THROWS_AS((CosineSchedule{.lr = 0.1, .period = 0})(1), ArgumentError);
  CHECK_THROWS_AS((CosineRestartsSchedule{.lr = 0.1, .period = 1, .factor = 0})(1), ArgumentError);
  CHECK_THROWS_AS((WarmupSchedule{.lr = 0.1, .steps = 0})(1), ArgumentError);
  CHECK_THROWS_AS((PolynomialSchedule{.lr = 0.1, .steps = 2, .power = -1.0})(1), ArgumentError);
  CHECK_THROWS_AS((ConstantSchedule{.lr = 0.1, .steps = -1})(1), ArgumentError);
  CHECK_THROWS_AS((ConstantSchedule{.lr = 0.1, .steps = 2, .factor = -1.0})(1), ArgumentError);
  CHECK_THROWS_AS((CyclicSchedule{.max_lr = 0.1, .lr_min = 0.0, .steps_up = 0})(1), ArgumentError);
  CHECK_THROWS_AS((CyclicSchedule{.max_lr = 0.1, .lr_min = -0.1})(1), ArgumentError);
  CHECK_THROWS_WITH((CyclicSchedule{.max_lr = 0.1, .lr_min = 0.0})(-1),
                    "[CyclicSchedule] k: expected >= 0, got -1");
  const OneCycleSchedule cycle{.max_lr = 0.1, .total_steps = 5};
  CHECK_THROWS_WITH(cycle(5), "[OneCycleSchedule] k: expected < total_steps = 5, got 5");
  CHECK_THROWS_AS((OneCycleSchedule{.max_lr = 0.1, .total_steps = 5, .pct_start = 1.5})(1), ArgumentError);
  CHECK_THROWS_AS(ChainedSchedule{}(1), ArgumentError);
  CHECK_THROWS_AS((SequentialSchedule{{CosineSchedule{.lr = 0.1, .period = 5}}, {3}})(1), ArgumentError);
  const Schedule cosine = CosineSchedule{.lr = 0.1, .period = 5};
  CHECK_THROWS_AS((SequentialSchedule{{cosine, cosine, cosine}, {3, 2}})(1), ArgumentError);
  PlateauSchedule plateau{.lr = 0.1, .factor = 1.0};
  CHECK_THROWS_AS(plateau(1.0), ArgumentError);
}
