// Data, scores and sources that a training cannot do anything with, or only seemingly.
#include <catch2/catch.hpp>
#include <cmath>
#include <limits>
#include <memory>

#include "tests/training/experiments.hpp"

using namespace unroll;
using namespace unroll::test;
using Catch::Contains;

namespace {

struct Nothing {
  static std::size_t size() { return 1; }
};
struct Source {
  std::size_t n;
  std::size_t size() const { return n; }
  void start_epoch(std::int64_t) {}
  Nothing batch(std::size_t) const { return {}; }
};
struct Model {
  using Scalar = double;
  Var<double> w = parameter(Tensor<double>{0.0}, "w");
  static void each(auto& self, auto&& visit) { visit("w", self.w); }
};
const auto towards_five = [](Model& m, const Nothing&) { return sum(square(m.w - 5.0)); };

// A metric whose value is a number from some epoch on.
struct Late {
  static constexpr std::string_view kName = "late";
  static constexpr Goal kGoal = Goal::maximize;
  double seen = std::numeric_limits<double>::quiet_NaN();
  void update(double, double) {}
  double value() const { return seen; }
  std::string state() const { return ""; }
  void load_state(const std::string&) {}
};

std::int64_t epochs_over = 0;

TrainResult fit(TrainOptions options, const Source& train, const Source& valid, double late = 0.0) {
  Model model;
  Sgd<double> sgd(parameters(model), {.lr = 0.1});
  options.progress = false;
  Trainer trainer(model, sgd, towards_five, options, Late{late});
  return trainer.fit(train, valid);
}

}  // namespace

TEST_CASE("a source without a batch is an error wherever it is read") {
  CHECK_THROWS_WITH(fit({.epochs = 50, .patience = 2}, {3}, {0}),
                    "[Trainer.fit] validation source: expected at least one batch, got none");
  CHECK_THROWS_WITH(fit({.epochs = 50}, {0}, {3}),
                    "[Trainer.fit] source: expected at least one batch, got none");
  Model model;
  Sgd<double> sgd(parameters(model), {.lr = 0.1});
  Trainer trainer(model, sgd, towards_five, {.progress = false});
  CHECK_THROWS_WITH(trainer.evaluate(Source{0}),
                    "[Trainer.evaluate] source: expected at least one batch, got none");
  // Nothing was trained.
  CHECK_THROWS_AS(trainer.fit(Source{3}, Source{0}), ArgumentError);
  CHECK(model.w.value()(0) == 0.0);
}

TEST_CASE("a monitored score that is NaN is an error that lists the scores, in any epoch") {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  for (const std::int64_t patience : {0, 2}) {
    CHECK_THROWS_WITH(fit({.epochs = 50, .monitor = "valid/late", .patience = patience}, {3}, {3}, nan),
                      Contains("[Trainer.fit] monitored score valid/late of epoch 1: expected a number, got "
                               "one of train/loss ") &&
                          Contains("train/late nan, valid/loss ") && Contains("valid/late nan"));
  }
  // One that nobody monitors decides nothing.
  CHECK(fit({.epochs = 3}, {3}, {3}, nan).history.size() == 3);
  CHECK_THROWS_WITH(
      fit({.epochs = 3, .monitor = "valid/lat"}, {3}, {3}),
      Contains("monitor: expected one of train/loss, train/late, valid/loss, valid/late, got 'valid/lat'"));
}

TEST_CASE("a score that becomes NaN leaves a checkpoint to go on from") {
  const Folder folder;
  const std::string file = folder.file("run");
  Model model;
  Sgd<double> sgd(parameters(model), {.lr = 0.1});
  epochs_over = 0;
  const auto spoil = [](Late& metric, const auto&, const Nothing&) {
    metric.seen = epochs_over < 2 ? 1.0 : std::numeric_limits<double>::quiet_NaN();
  };
  TrainOptions options{.epochs = 9, .monitor = "valid/late", .checkpoint = file, .progress = false};
  options.on_epoch = [&](const EpochReport& report) { epochs_over = report.epoch; };
  Trainer trainer(model, sgd, towards_five, options, named("late", Late{}, spoil));
  CHECK_THROWS_WITH(trainer.fit(Source{3}, Source{3}), Contains("of epoch 3: expected a number"));
  CHECK(load_checkpoint<double>(file).state.step == 9);
  options.monitor = "valid/loss";
  trainer.set_options(options);
  CHECK(trainer.fit(Source{3}, Source{3}).history.size() == 9);
}

TEST_CASE("a const source is copied, and one that begins epochs though it is const is not") {
  const Source train{3}, valid{2};
  Model model;
  Sgd<double> sgd(parameters(model), {.lr = 0.1});
  Trainer trainer(model, sgd, towards_five, {.epochs = 2, .progress = false});
  CHECK(trainer.fit(train, valid).history.size() == 2);
  CHECK(score(trainer.evaluate(valid), "loss") > 0.0);

  struct Shared {
    std::unique_ptr<int> epochs = std::make_unique<int>(0);  // cannot be copied
    std::size_t size() const { return 1; }
    void start_epoch(std::int64_t) const { ++*epochs; }
    Nothing batch(std::size_t) const { return {}; }
  };
  const Shared shared;
  trainer.evaluate(shared);
  CHECK(*shared.epochs == 1);
}

TEST_CASE("two random generators of one name are refused, and epochs may be without end") {
  Model model;
  Sgd<double> sgd(parameters(model), {.lr = 0.1});
  TrainOptions options{.epochs = std::numeric_limits<std::int64_t>::max(), .progress = false};
  Trainer trainer(model, sgd, towards_five, options);
  options.on_epoch = [&](const EpochReport&) { trainer.stop(); };
  trainer.set_options(options);
  CHECK(trainer.fit(Source{3}).history.size() == 1);
  Rng one(1), two(2);
  trainer.keep("noise", one);
  trainer.keep("noise", two);
  CHECK_THROWS_WITH(trainer.fit(Source{3}),
                    Contains("random generators: expected distinct names, got 'kept.noise' twice"));
}
