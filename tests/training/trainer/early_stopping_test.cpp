#include <catch2/catch.hpp>
#include <cmath>

#include "framework/errors.hpp"
#include "training/trainer/early_stopping.hpp"

using namespace unroll;

TEST_CASE("early stopping waits for patience epochs without a better metric") {
  EarlyStopping stop{.patience = 2};
  std::vector<bool> stops;
  for (const double metric : {1.0, 0.9, 0.9, 0.8, 0.85, 0.81}) stops.push_back(stop(metric));
  CHECK(stops == std::vector<bool>{false, false, false, false, false, true});
  CHECK(stop.memory.best == 0.8);
}

TEST_CASE("early stopping counts only what is better by more than min_delta, upward if higher is better") {
  EarlyStopping stop{.patience = 2, .min_delta = 0.1, .goal = Goal::maximize};
  CHECK_FALSE(stop(0.5));
  CHECK_FALSE(stop(0.55));  // not enough
  CHECK_FALSE(stop(0.61));  // more than 0.5 + 0.1
  CHECK_FALSE(stop(0.7));
  CHECK(stop(0.71));
}

TEST_CASE("NaN is never better, and every number is better than NaN") {
  CHECK_FALSE(is_better(NAN, 1.0, Goal::minimize));
  CHECK_FALSE(is_better(NAN, NAN, Goal::minimize));
  CHECK(is_better(1e9, NAN, Goal::minimize, 5.0));
  CHECK_FALSE(is_better(1.0, 1.0, Goal::maximize));
  EarlyStopping stop{.patience = 1};
  CHECK(stop(NAN));
  CHECK_FALSE(stop(3.0));
  CHECK_THROWS_AS(EarlyStopping{.patience = 0}(1.0), ArgumentError);
  CHECK_THROWS_AS((EarlyStopping{.patience = 1, .min_delta = -1.0}(1.0)), ArgumentError);
}
