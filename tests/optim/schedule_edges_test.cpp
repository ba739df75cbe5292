// Metrics and options at the edges of what schedules take.
#include <catch2/catch.hpp>
#include <cmath>
#include <limits>

#include "framework/errors.hpp"
#include "optim/schedules.hpp"

using namespace unroll;

namespace {
constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max();
}  // namespace

TEST_CASE("a plateau lowers the rate for a metric of either sign") {
  for (const auto mode : {PlateauSchedule::Mode::kMin, PlateauSchedule::Mode::kMax}) {
    PlateauSchedule falling{.lr = 0.1, .mode = mode, .patience = 2},
        up{.lr = 0.1, .mode = mode, .patience = 2};
    std::vector<double> rates;
    for (int i = 0; i < 8; ++i) {
      rates.push_back(up(1.0));
      CHECK(falling(-1.0) == rates.back());
    }
    CHECK(rates[2] == 0.1);
    CHECK(rates[3] == Approx(0.01));
    CHECK(rates[7] == Approx(0.001));
  }
}

TEST_CASE("a negative metric gets better by more than the threshold's share of its size") {
  PlateauSchedule loss{.lr = 0.1, .patience = 0, .threshold = 0.1};
  CHECK(loss(-1.0) == 0.1);
  CHECK(loss(-1.11) == 0.1);           // better: below -1.1
  CHECK(loss(-1.15) == Approx(0.01));  // not below -1.221
  PlateauSchedule score{.lr = 0.1, .mode = PlateauSchedule::Mode::kMax, .patience = 0, .threshold = 0.1};
  CHECK(score(-1.0) == 0.1);
  CHECK(score(-0.89) == 0.1);           // better: above -0.9
  CHECK(score(-0.85) == Approx(0.01));  // not above -0.801
  PlateauSchedule wide{.lr = 0.1, .patience = 0, .threshold = 2.0};
  CHECK(wide(1.0) == 0.1);
  CHECK(wide(-1.5) == 0.1);  // below 1 - 2
}

TEST_CASE("NaN and infinite metrics are never better, and do not stay") {
  for (const double bad : {std::nan(""), kInfinity, -kInfinity}) {
    for (const auto mode : {PlateauSchedule::Mode::kMin, PlateauSchedule::Mode::kMax}) {
      const double better = mode == PlateauSchedule::Mode::kMin ? 0.5 : 2.0;
      PlateauSchedule plateau{.lr = 0.1, .mode = mode, .patience = 1};
      CHECK(plateau(bad) == 0.1);
      CHECK(plateau(1.0) == 0.1);
      CHECK(plateau(bad) == 0.1);
      CHECK(plateau(better) == 0.1);
      CHECK(plateau.memory.best == better);
      CHECK(plateau(bad) == 0.1);
      CHECK(plateau(bad) == Approx(0.01));
    }
  }
}

TEST_CASE("a plateau's state that no plateau has had is refused, and shown without control bytes") {
  PlateauSchedule plateau{.lr = 0.1};
  for (const std::string bad : {"nan nan 0 0", "inf 1 0 0", "-1 1 0 0", "0 1 0 0", "0.1 inf 0 0",
                                "0.1 1 -1 0", "0.1 1 9223372036854775807 0", "0.1 1 0 -2"}) {
    CAPTURE(bad);
    CHECK_THROWS_AS(plateau.load_state(bad), ArgumentError);
  }
  CHECK_THROWS_WITH(plateau.load_state("\x1b[2J" + std::string(1000, 'x')),
                    "[PlateauSchedule.load_state] state: expected what state() returned, got '\\x1b[2J" +
                        std::string(53, 'x') + "...' (1004 bytes)");
}

TEST_CASE("steps near the largest number do not overflow") {
  const CyclicSchedule cyclic{.max_lr = 1.0, .lr_min = 0.1, .steps_up = kMost};
  CHECK_THROWS_AS(cyclic(3), ArgumentError);
  CHECK_THROWS_AS((SequentialSchedule{.schedules = {StepSchedule{.lr = 1.0, .step_size = 1},
                                                    StepSchedule{.lr = 1.0, .step_size = 1}},
                                      .milestones = {-kMost}})(kMost),
                  ArgumentError);
  CHECK((CosineRestartsSchedule{.lr = 1.0, .period = 3, .factor = kMost})(kMost) >= 0.0);
  CHECK((WarmupSchedule{.lr = 1.0, .steps = kMost})(kMost) == 1.0);
  CHECK((StepSchedule{.lr = 1.0, .step_size = kMost})(kMost) == Approx(0.1));
}
