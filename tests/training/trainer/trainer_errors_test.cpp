// What is left when training ends in an exception.
#include <catch2/catch.hpp>
#include <cmath>
#include <limits>

#include "tests/training/experiments.hpp"

using namespace unroll;
using namespace unroll::test;
using Catch::Contains;

namespace {

using S = float;

// The streams' loss, which at its n-th call does something else.
struct FailingLoss : StreamLoss<S> {
  int fail_at = 0;  // 0: never
  int* calls = nullptr;
  bool nonfinite = false;

  auto operator()(Streamer<S>& model, const WindowBatch<S>& batch) {
    auto result = StreamLoss<S>::operator()(model, batch);
    if (++*calls == fail_at) {
      if (!nonfinite) throw std::runtime_error("the disk of the data is gone");
      result.loss = log(result.loss * 0.0 - 1.0);
    } else if (nonfinite && fail_at > 0 && *calls > fail_at) {
      result.loss = log(result.loss * 0.0 - 1.0);  // when it is run again
    }
    return result;
  }
};

struct Failing {
  Streamer<S> model;
  Adam<S> adam;
  int calls = 0;
  Trainer<Streamer<S>, FailingLoss, Rmse> trainer;

  Failing(std::uint64_t seed, const std::string& file, int fail_at, bool nonfinite = false,
          TrainOptions options = {})
      : model(seed),
        adam(parameters(model), {.lr = 0.02}),
        trainer(model, adam, FailingLoss{{}, fail_at, &calls, nonfinite}, filled(options, file), Rmse()) {}
  static TrainOptions filled(TrainOptions options, const std::string& file) {
    options.epochs = 3;
    options.checkpoint = file;
    options.progress = false;
    return options;
  }
  TrainResult fit() { return trainer.fit(StreamSource<S>(18, 2, 5, 3), StreamSource<S>(9, 3, 5, 4)); }
};

Checkpoint<S> at_the_end(Failing& run, const Folder& folder) {
  run.fit();
  run.trainer.save(folder.file("end"));
  return load_checkpoint<S>(folder.file("end"));
}

}  // namespace

TEST_CASE(
    "an exception of the loss leaves a checkpoint of the step before, from which a run gives the same bits") {
  const Folder folder;
  Failing whole(1, folder.file("whole"), 0);
  const Checkpoint<S> want = at_the_end(whole, folder);
  const int calls = whole.calls;
  REQUIRE(calls == 18);  // 3 epochs of 4 batches of training and 2 of validation
  for (int call = 1; call <= calls; ++call) {
    CAPTURE(call);
    const std::string file = folder.file("run");
    Failing failing(1, file, call);
    CHECK_THROWS_WITH(failing.fit(), "the disk of the data is gone");
    CHECK_FALSE(failing.model.lstm.training);
    Failing resumed(99, file, 0);
    resumed.trainer.resume(file);
    CHECK(same_bits(at_the_end(resumed, folder), want));
    // The trainer itself can go on, too.
    failing.trainer.loss().fail_at = 0;
    CHECK(same_bits(at_the_end(failing, folder), want));
  }
}

TEST_CASE("an exception of a callback or a log leaves a checkpoint of the step that is complete") {
  const Folder folder;
  Failing whole(1, folder.file("whole"), 0);
  const Checkpoint<S> want = at_the_end(whole, folder);
  struct Full : Log {
    void scalars(std::int64_t step, std::int64_t, std::span<const NamedScalar>) override {
      if (step == 8) throw FileError("disk full");
    }
  } full;
  const auto fail = [] { throw std::runtime_error("callback"); };
  const TrainOptions options[] = {{.on_step =
                                       [&](const StepReport& r) {
                                         if (r.step == 7) fail();
                                       }},
                                  {.on_epoch =
                                       [&](const EpochReport& r) {
                                         if (r.epoch == 2) fail();
                                       }},
                                  {.logs = {&full}, .log_every = 1},
                                  {.logs = {&full}}};
  for (const TrainOptions& o : options) {
    const std::string file = folder.file("run");
    Failing failing(1, file, 0, false, o);
    CHECK_THROWS(failing.fit());
    Failing resumed(99, file, 0);
    resumed.trainer.resume(file);
    CHECK(resumed.trainer.state().step >= 7);
    CHECK(same_bits(at_the_end(resumed, folder), want));
  }
}

TEST_CASE("a loss that is not finite stops training with epoch, batch, op and layer, at the weights before") {
  const Folder folder;
  const std::string file = folder.file("run");
  Failing whole(1, folder.file("whole"), 0);
  const Checkpoint<S> want = at_the_end(whole, folder);
  Failing failing(1, file, 9, true);  // 6 calls an epoch: the third batch of epoch 2
  CHECK_THROWS_WITH(failing.fit(), Contains("[Trainer.fit] epoch 2, batch 3 of 4 (step 7): train loss of "
                                            "epoch 2, batch 3: expected a finite number, got ") &&
                                       Contains("run again: [log] forward: nan at () of shape ()") &&
                                       Contains("The model has the weights of step 6"));
  CHECK(same_bits(weights_of(failing.model), load_checkpoint<S>(file).model));
  CHECK(load_checkpoint<S>(file).state.step == 6);
  Failing resumed(99, file, 0);
  resumed.trainer.resume(file);
  CHECK(same_bits(at_the_end(resumed, folder), want));
}

namespace {

// y = f(p) for one parameter p in a layer.
struct Root {
  using Scalar = double;
  Linear<double> layer;
  Root() {
    Rng rng(1);
    layer = Linear<double>(1, 1, rng, {.bias = false});
  }
  static void each(auto& self, auto&& visit) { visit("layer", self.layer); }
};
struct Value {
  double x;
  static std::size_t size() { return 1; }
};
struct Values {
  std::vector<double> x;
  std::size_t size() const { return x.size(); }
  void start_epoch(std::int64_t) {}
  Value batch(std::size_t i) const { return {x[i]}; }
};
Var<double> apply(const Root& root, const Value& value) {
  return mean(root.layer(Var<double>(full<double>({1, 1}, value.x))));
}

}  // namespace

TEST_CASE("a gradient that is not finite is named with its parameter and op, though the loss is finite") {
  Root root;
  Sgd<double> sgd(parameters(root), {.lr = 0.1});
  // |w x|^0.5 at x = 0: the loss is 0, its slope infinite.
  Trainer trainer(root, sgd, [](Root& r, const Value& v) { return sqrt(square(apply(r, v))); },
                  {.progress = false});
  const auto before = weights_of(root);
  CHECK_THROWS_WITH(
      trainer.fit(Values{{0.0}}),
      Contains("epoch 1, batch 1 of 1 (step 1): [grad_norm] expected gradients with a finite norm, got ") &&
          Contains("'layer.weight'") && Contains("run again: [sqrt] backward"));
  CHECK(same_bits(weights_of(root), before));
}

TEST_CASE(
    "weights that are not finite are named, and the trainer goes back: checkpoint, best weights, or says "
    "so") {
  const Folder folder;
  const auto steep = [](Root& r, const Value& v) { return apply(r, v); };
  // The third step's gradient times lr overflows.
  const Values values{{1e-220, 1e-220, 1e150, 1e-220}};
  const auto run = [&](TrainOptions options, const Values& source, Root& root) {
    Sgd<double> sgd(parameters(root), {.lr = 1e200});
    options.progress = false;
    options.epochs = 2;
    Trainer trainer(root, sgd, steep, options);
    trainer.fit(Values(source));
  };
  {
    Root root;
    CHECK_THROWS_WITH(
        run({.checkpoint = folder.file("run"), .checkpoint_every = 1}, values, root),
        Contains("parameter 'layer.weight' is not finite after step 3 of epoch 1 (lr 1e+200)") &&
            Contains("The trainer is back at its checkpoint") && Contains("step 2"));
    CHECK(same_bits(weights_of(root), load_checkpoint<double>(folder.file("run")).model));
    CHECK(std::isfinite(root.layer.weight.item()));
  }
  {
    // In the second epoch: the best weights are those of the first.
    struct Later : Values {
      double big = 0.0;
      void start_epoch(std::int64_t epoch) { big = epoch == 2 ? 1e150 : 0.0; }
      Value batch(std::size_t) const { return {1e-220 + big}; }
    };
    Root root;
    Sgd<double> sgd(parameters(root), {.lr = 1e200});
    Trainer trainer(root, sgd, steep, {.epochs = 3, .progress = false});
    CHECK_THROWS_WITH(trainer.fit(Later{{{0.0, 0.0}}}), Contains("has its best weights, of epoch 1"));
    CHECK(std::isfinite(root.layer.weight.item()));
  }
  {
    Root root;
    CHECK_THROWS_WITH(run({}, values, root), Contains("no checkpoint and no best epoch to return to"));
  }
}

TEST_CASE("a loss of validation or evaluation that is not finite is named with its batch and op") {
  constexpr double kInf = std::numeric_limits<double>::infinity();
  Root root;
  Sgd<double> sgd(parameters(root), {.lr = 0.0});
  int calls = 0, nan_at = 0;  // NaN at that call alone, so that no second look finds it
  const auto loss = [&](Root& r, const Value& v) {
    return apply(r, v) * v.x * (++calls == nan_at ? NAN : 1.0);
  };
  Trainer trainer(root, sgd, loss, {.epochs = 2, .progress = false});
  CHECK_THROWS_WITH(trainer.fit(Values{{1.0}}, Values{{1.0, kInf}}),
                    Contains("[Trainer.fit] validation of epoch 1, batch 2: [") && Contains("] forward: ") &&
                        Contains("infinity"));
  CHECK_THROWS_AS(trainer.fit(Values{{1.0}}, Values{{NAN}}), NonfiniteError);
  CHECK_THROWS_WITH(trainer.evaluate(Values{{1.0, 2.0, kInf}}),
                    Contains("[Trainer.evaluate] batch 3: [") && Contains("] forward: "));
  calls = 0;
  nan_at = 2;
  CHECK_THROWS_WITH(trainer.evaluate(Values{{1.0, 2.0, 3.0}}),
                    "[Trainer.evaluate] batch 2: loss of batch 2: expected a finite number, got nan");
}

TEST_CASE("an optimizer that holds other parameters than the model's is refused") {
  Root root, other;
  const auto loss = [](Root& r, const Value& v) { return square(apply(r, v)); };
  const auto none =
      Contains("optimizer: expected parameters of the model, got 'layer.weight', which is none");
  const auto before = weights_of(root);
  {
    Sgd<double> sgd(parameters(other), {.lr = 0.1});
    Trainer trainer(root, sgd, loss, {.progress = false});
    CHECK_THROWS_WITH(trainer.fit(Values{{1.0}}), none);
  }
  CHECK(same_bits(weights_of(root), before));
  {
    Sgd<double> sgd(parameters(root), {.lr = 0.1});
    root = Root();
    Trainer trainer(root, sgd, loss, {.progress = false});
    CHECK_THROWS_WITH(trainer.fit(Values{{1.0}}), none);
  }
  // What only the loss has would not be saved.
  Sgd<double> sgd(parameters(other), {.lr = 0.1});
  const auto of_other = [&](Root& r, const Value& v) { return square(apply(r, v) - apply(other, v)); };
  Trainer trainer(root, sgd, of_other, {.progress = false});
  CHECK_THROWS_WITH(trainer.fit(Values{{1.0}}), none);
}
