// RecordingWindows: every step in its place, and what is refused.
#include "training/audio/recording_windows.hpp"

#include <catch2/catch.hpp>

#include "framework/errors.hpp"
#include "layers/linear.hpp"
#include "layers/lstm.hpp"
#include "optim/sgd.hpp"
#include "training/audio/streamed_esr_loss.hpp"
#include "training/trainer/trainer.hpp"

using namespace unroll;
using Catch::Contains;

namespace {

// Sample t of channel c is 10 t + c, and the wet one its negative.
struct Pair {
  Recording<double> dry, wet;
  explicit Pair(std::size_t steps)
      : dry{empty<double>({steps, 2}), 100.0}, wet{empty<double>({steps, 1}), 100.0} {
    for (std::size_t t = 0; t < steps; ++t) {
      for (std::size_t c = 0; c < 2; ++c) dry.samples(t, c) = static_cast<double>(10 * t + c);
      wet.samples(t, 0) = -static_cast<double>(t);
    }
  }
};

}  // namespace

TEST_CASE("the windows of a recording are its steps, stream by stream") {
  const Pair pair(25);
  // 25 - 3 = 22 steps, 7 for each of three streams, in windows of 3, 3 and 1.
  const RecordingWindows<double> source(pair.dry, pair.wet, {.streams = 3, .window = 3, .warm_up = 3});
  REQUIRE(source.size() == 3);
  for (std::size_t i = 0; i < 3; ++i) {
    const auto batch = source.batch(i);
    const std::size_t steps = i == 2 ? 1 : 3;
    CHECK(batch.values.shape() == Shape{steps, 3, 2});
    CHECK(batch.targets.shape() == Shape{steps, 3, 1});
    CHECK(batch.size() == 3 * steps);
    for (std::size_t b = 0; b < 3; ++b) {
      for (std::size_t t = 0; t < steps; ++t) {
        const std::size_t at = 3 + 7 * b + 3 * i + t;
        CHECK(batch.values(t, b, 1) == static_cast<double>(10 * at + 1));
        CHECK(batch.targets(t, b, 0) == -static_cast<double>(at));
      }
    }
    CHECK(batch.warm_up.shape() == Shape{i == 0 ? std::size_t{3} : 0, 3, 2});
    for (std::size_t b = 0; b < 3 && i == 0; ++b)
      CHECK(batch.warm_up(2, b, 0) == static_cast<double>(10 * (7 * b + 2)));
  }
  const auto cut = part(pair.dry, 4, 6);
  CHECK(cut.samples(0, 0) == 40.0);
  CHECK(cut.samples.shape() == Shape{2, 2});
  CHECK(cut.sample_rate == 100.0);
}

TEST_CASE("windows that a recording does not have are refused") {
  const Pair pair(25);
  const auto refuses = [&](const RecordingWindowOptions& options, const char* what) {
    CHECK_THROWS_WITH(RecordingWindows<double>(pair.dry, pair.wet, options), Contains(what));
  };
  refuses({.streams = 0}, "[RecordingWindows] streams: expected a number >= 1, got 0");
  refuses({.window = 0}, "window: expected a number >= 1, got 0");
  refuses({.warm_up = -1}, "warm_up: expected a number >= 0, got -1");
  refuses({.streams = 23, .warm_up = 3},
          "expected at least 26 steps, for a warm-up of 3 and 23 streams, got 25");
  CHECK_THROWS_WITH(RecordingWindows<double>(pair.dry, part(pair.wet, 0, 24)),
                    Contains("wet: expected 25 steps, as the dry recording has, got 24"));
  Recording<double> slow = pair.wet;
  slow.sample_rate = 50.0;
  CHECK_THROWS_WITH(RecordingWindows<double>(pair.dry, slow),
                    Contains("expected the dry recording's rate, 100 Hz"));
  const RecordingWindows<double> source(pair.dry, pair.wet, {.streams = 1, .warm_up = 0});
  CHECK_THROWS_WITH(source.batch(1), Contains("[RecordingWindows.batch] i: expected a number < 1, got 1"));
  CHECK_THROWS_AS(part(pair.dry, 3, 2), ArgumentError);
  CHECK_THROWS_AS(part(pair.dry, 3, 26), ArgumentError);
}

namespace {

struct Model : MoveOnly {
  using Scalar = double;
  Lstm<double> layer;
  Linear<double> head;
  explicit Model(Rng& rng) : layer({.input = 2, .hidden = 3}, rng), head(3, 1, rng) {}
  static void each(auto& self, auto&& visit) {
    visit("layer", self.layer);
    visit("head", self.head);
  }
};

}  // namespace

TEST_CASE("states are carried from window to window: the cut changes no output") {
  Pair pair(40);
  for (Tensor<double>* samples : {&pair.dry.samples, &pair.wet.samples}) *samples *= 0.01;
  Rng rng(1);
  Model model(rng);
  Sgd<double> sgd(parameters(model), {.lr = 0.1});
  StreamedEsrLoss<Lstm<double>> loss;
  loss.options.pre_emphasis = 0.0;  // at the first step of a window it has no sample before
  Trainer trainer(model, sgd, loss);
  const auto ratio = [&](Index window) {
    return trainer
        .evaluate(
            RecordingWindows<double>(pair.dry, pair.wet, {.streams = 3, .window = window, .warm_up = 4}))[0]
        .value;
  };
  CHECK(ratio(12) == Approx(ratio(5)).epsilon(1e-13));
  CHECK(ratio(12) == Approx(ratio(1)).epsilon(1e-13));
}
