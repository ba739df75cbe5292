// What a trainer refuses, since it would train, score or save something else than is meant.
#include <catch2/catch.hpp>

#include "tests/scratch.hpp"
#include "training/training.hpp"
#include "unroll.hpp"

using namespace unroll;
using Catch::Contains;

namespace {

struct Line : MoveOnly {
  using Scalar = double;
  Linear<double> in, out;
  explicit Line(Rng& rng) : in(3, 2, rng), out(2, 1, rng) {}
  Var<double> operator()(const Var<double>& x) const { return out(tanh(in(x))); }
  static void each(auto& self, auto&& visit) {
    visit("in", self.in);
    visit("out", self.out);
  }
};

struct Twice : MoveOnly {
  using Scalar = double;
  Linear<double> a, b;
  explicit Twice(Rng& rng) : a(3, 2, rng), b(3, 2, rng) {}
  static void each(auto& self, auto&& visit) {
    visit("x", self.a);
    visit("x", self.b);
  }
};

struct TwoDropouts : MoveOnly {
  using Scalar = double;
  Dropout<double> a, b;
  Linear<double> out;
  explicit TwoDropouts(Rng& rng) : a(0.5, rng), b(0.5, rng), out(3, 1, rng) {}
  Var<double> operator()(const Var<double>& x) const { return b(out(a(x))); }
  static void each(auto& self, auto&& visit) {
    visit("a", self.a);
    visit("b", self.b);
    visit("out", self.out);
  }
};

struct Rows {
  Var<double> x, y;
  std::size_t size() const { return x.shape(0); }
};

// Batches that know in which epoch they were begun.
struct Source {
  std::size_t batches = 2;
  std::size_t more_each_epoch = 0;
  std::vector<std::int64_t> started = {};
  std::size_t size() const { return batches; }
  void start_epoch(std::int64_t epoch) {
    started.push_back(epoch);
    if (epoch > 1) batches += more_each_epoch;
  }
  Rows batch(std::size_t i) const {
    if (i >= batches) throw std::logic_error("a batch that is not there");
    Rng rng(i + 1);
    const Tensor<double> x = random_normal<double>({4, 3}, 0.0, 1.0, rng);
    return {Var<double>(x), sum(Var<double>(x), {1}, true)};
  }
};

const auto loss = [](const Line& model, const Rows& batch) { return mse_loss(model(batch.x), batch.y); };

TrainOptions quiet(std::int64_t epochs) {
  TrainOptions options;
  options.epochs = epochs;
  options.progress = false;
  return options;
}

}  // namespace

TEST_CASE("two members of one name are refused before anything is trained or saved") {
  Rng rng(1);
  Twice model(rng);
  const test::ScratchFolder folder;
  const auto refuses = Contains("[named_parameters] 'x.weight': expected distinct names");
  CHECK_THROWS_WITH(parameters(model), refuses);
  CHECK_THROWS_WITH(state_dict(model), refuses);
  CHECK_THROWS_WITH(save_model(folder.file("m.safetensors"), model), refuses);
  CHECK(folder.files() == 0);
}

TEST_CASE("an optimizer of a trainer holds parameters of its model alone") {
  Rng rng(2);
  Line model(rng);
  Sgd<double> sgd(parameters(model), {.lr = 0.1});
  Trainer trainer(model, sgd, loss, quiet(1));
  model.in.weight = parameter(ones<double>({2, 3}), "in.weight");
  CHECK_THROWS_WITH(trainer.fit(Source{}),
                    Contains("[Trainer.fit] optimizer: expected parameters of the model, got "
                             "'in.weight', which is none"));
  // Replaced in a step, it is noticed at the end of the epoch.
  Line other(rng);
  Sgd<double> its(parameters(other), {.lr = 0.1});
  Trainer second(
      other, its,
      [](Line& m, const Rows& batch) {
        m.in.weight = parameter(ones<double>({2, 3}), "in.weight");
        return mse_loss(m(batch.x), batch.y);
      },
      quiet(2));
  CHECK_THROWS_WITH(second.fit(Source{}), Contains("'in.weight', which is none"));
  // One that files do not have.
  Linear<double> extra(1, 1, rng);
  Line third(rng);
  Sgd<double> both(parameters(third, extra), {.lr = 0.1});
  Trainer mixed(third, both, loss, quiet(1));
  CHECK_THROWS_WITH(mixed.fit(Source{}),
                    Contains("[Trainer.fit] optimizer: expected parameters of the model"));
}

TEST_CASE("the best epoch is by scores of one kind") {
  const test::ScratchFolder folder;
  Rng rng(3);
  Line model(rng);
  Sgd<double> sgd(parameters(model), {.lr = 0.05});
  TrainOptions options = quiet(2);
  options.checkpoint = folder.file("run.checkpoint");
  double scale = 1e-3;
  const auto scaled = [&](const Line& m, const Rows& batch) { return mse_loss(m(batch.x), batch.y) * scale; };
  Trainer first(model, sgd, scaled, options);
  first.fit(Source{});
  CHECK(first.state().monitor == "min train/loss");
  scale = 1.0;
  options.epochs = 6;
  options.resume = true;
  Trainer second(model, sgd, scaled, options);
  const TrainResult result = second.fit(Source{}, Source{});
  CHECK(second.state().monitor == "min valid/loss");
  CHECK(result.best_epoch > 2);
  CHECK(result.best_score == Approx(second.evaluate(Source{})[0].value));
}

TEST_CASE("a source may have another number of batches in every epoch") {
  Rng rng(4);
  Line model(rng);
  Sgd<double> sgd(parameters(model), {.lr = 0.05});
  Trainer trainer(model, sgd, loss, quiet(3));
  Source source{.batches = 2, .more_each_epoch = 2};
  trainer.fit(source);
  CHECK(trainer.state().step == 2 + 4 + 6);
  Source fewer{.batches = 5, .more_each_epoch = std::size_t(-2)};
  trainer.set_options(quiet(5));
  trainer.fit(fewer);
  CHECK(trainer.state().step == 12 + 3 + 1);
}

TEST_CASE("a callback neither trains nor scores what its fit() is in") {
  Rng rng(5);
  Line model(rng);
  Sgd<double> sgd(parameters(model), {.lr = 0.05});
  Source source, another;
  std::function<void()> what;
  TrainOptions options = quiet(8);
  options.on_step = [&](const StepReport&) { what(); };
  Trainer trainer(model, sgd, loss, options);
  what = [&] { trainer.fit(another); };
  CHECK_THROWS_WITH(trainer.fit(source),
                    Contains("[Trainer.fit] expected no fit() of this trainer under way"));
  what = [&] { trainer.set_options(quiet(3)); };
  CHECK_THROWS_WITH(trainer.fit(source), Contains("[Trainer.set_options] expected no fit()"));
  what = [&] { trainer.resume("none"); };
  CHECK_THROWS_WITH(trainer.fit(source), Contains("[Trainer.resume] expected no fit()"));
  what = [&] { trainer.evaluate(source); };
  CHECK_THROWS_WITH(trainer.fit(source), Contains("[Trainer.evaluate] source: expected another one"));
  what = [&] { trainer.evaluate(another); };
  CHECK(trainer.fit(source).steps == 16);
  trainer.evaluate(source);  // afterwards it is free
}

TEST_CASE("evaluate leaves every member in the mode in which it was") {
  Rng rng(6);
  TwoDropouts model(rng);
  set_training(model, true);
  model.b.training = false;
  Sgd<double> sgd(parameters(model), {.lr = 0.05});
  Trainer trainer(
      model, sgd,
      [](const TwoDropouts& m, const Rows& batch) {
        CHECK_FALSE(m.a.training);
        return mse_loss(m(batch.x), batch.y);
      },
      quiet(1));
  const Scores scores = trainer.evaluate(Source{});
  CHECK(model.a.training);
  CHECK_FALSE(model.b.training);
  CHECK(trainer.evaluate(Source{})[0].value == scores[0].value);
}
