#include <catch2/catch.hpp>
#include <functional>
#include <memory>

#include "tests/training/experiments.hpp"

using namespace unroll;
using namespace unroll::test;

namespace {

// One run in all its parts. The model's seed is the caller's, so that nothing of a resumed run can come from
// anywhere but the checkpoint.
template <class S, class Model, class Loss, class Source, class Opt, class... Metrics>
struct Run {
  Model model;
  Opt optimizer;
  Source train, valid;
  MemoryLog log;
  Trainer<Model, Loss, Metrics...> trainer;
  std::int64_t stop_at_step = 0, stop_at_epoch = 0;

  template <class MakeOptimizer>
  Run(std::uint64_t seed, MakeOptimizer make, Source train_source, Source valid_source, TrainOptions options,
      Metrics... metrics)
      : model(seed),
        optimizer(make(model)),
        train(std::move(train_source)),
        valid(std::move(valid_source)),
        trainer(model, optimizer, Loss{}, with_stops(std::move(options)), metrics...) {}

  TrainOptions with_stops(TrainOptions options) {
    options.logs = {&log};
    options.log_every = 1;
    options.histograms_every = 2;
    options.progress = false;
    options.on_step = [this](const StepReport& r) {
      if (r.step == stop_at_step) trainer.stop();
    };
    options.on_epoch = [this](const EpochReport& r) {
      if (r.epoch == stop_at_epoch) trainer.stop();
    };
    return options;
  }
};

template <class S>
using Report = std::pair<Checkpoint<S>, std::vector<MemoryLog::Line>>;

// Stops after every single step and after every epoch; each time another trainer goes on to the same bits.
template <class S, class Make>
void check_every_stop(Make make) {
  const Folder folder;
  const std::string file = folder.file("run"), end = folder.file("end");
  auto whole = make(1, file);
  const TrainResult want = whole->trainer.fit(whole->train, whole->valid);
  whole->trainer.save(end);
  const Checkpoint<S> want_end = load_checkpoint<S>(end);
  REQUIRE(want.history.size() >= 2);
  REQUIRE(want_end.state.step > 4);

  const auto go_on = [&](auto& stopped) {
    auto resumed = make(99, file);
    resumed->log = stopped.log;
    resumed->log.lines.push_back({1000, "of a step that the checkpoint has not seen"});
    resumed->trainer.resume(file);
    const TrainResult got = resumed->trainer.fit(resumed->train, resumed->valid);
    resumed->trainer.save(end);
    CHECK(same_bits(load_checkpoint<S>(end), want_end));
    CHECK(same_bits(weights_of(resumed->model), weights_of(whole->model)));
    CHECK(got.history == want.history);
    CHECK(got.stop == want.stop);
    CHECK(resumed->log.lines == whole->log.lines);
  };
  for (std::int64_t step = 1; step < want_end.state.step; ++step) {
    CAPTURE(step);
    auto stopped = make(1, file);
    stopped->stop_at_step = step;
    REQUIRE(stopped->trainer.fit(stopped->train, stopped->valid).stop == StopReason::requested);
    REQUIRE(stopped->trainer.state().step == step);
    go_on(*stopped);
  }
  for (std::int64_t epoch = 1; epoch < static_cast<std::int64_t>(want.history.size()); ++epoch) {
    CAPTURE(epoch);
    auto stopped = make(1, file);
    stopped->stop_at_epoch = epoch;
    REQUIRE(stopped->trainer.fit(stopped->train, stopped->valid).stop == StopReason::requested);
    REQUIRE(stopped->trainer.state().epoch == epoch + 1);
    go_on(*stopped);
  }
}

template <class S, class Opt, class MakeOptimizer>
void check_classifier(MakeOptimizer make_optimizer, TrainOptions options) {
  using R = Run<S, Classifier<S>, ClassLoss, BucketedSource<S>, Opt, Accuracy, F1>;
  check_every_stop<S>([&](std::uint64_t seed, const std::string& file) {
    options.checkpoint = file;
    return std::make_unique<R>(seed, make_optimizer, BucketedSource<S>(22, 4, 5), BucketedSource<S>(9, 4, 6),
                               options, Accuracy(), F1(3));
  });
}

}  // namespace

TEMPLATE_TEST_CASE(
    "a resumed run gives the same bits: SGD with momentum, dropout and zoneout, bucketed batches", "", float,
    double) {
  using S = TestType;
  check_classifier<S, Sgd<S>>(
      [](const auto& model) { return Sgd<S>(parameters(model), {.lr = 0.1, .momentum = 0.9}); },
      {.epochs = 3, .clip_norm = 0.5});
}

TEMPLATE_TEST_CASE("a resumed run gives the same bits: Adam with a schedule per step and accumulated batches",
                   "", float, double) {
  using S = TestType;
  check_classifier<S, Adam<S>>([](const auto& model) { return Adam<S>(parameters(model), {.lr = 0.02}); },
                               {.epochs = 3,
                                .accumulate = 4,
                                .clip_value = 0.05,
                                .lr = CosineSchedule{.lr = 0.02, .period = 6},
                                .lr_per = Interval::step});
}

TEMPLATE_TEST_CASE("a resumed run gives the same bits: groups, a plateau, early stopping by a metric", "",
                   float, double) {
  using S = TestType;
  check_classifier<S, Adam<S>>(
      [](const auto& model) {
        auto rest = parameters(model);
        auto head = take_named(rest, "head");
        return Adam<S>({{head, {.lr = 0.05}}, {rest, {.lr = 0.01}}});
      },
      {.epochs = 9,
       .plateau = PlateauSchedule{.lr = 1.0, .factor = 0.5, .patience = 0},
       .monitor = "valid/accuracy",
       .patience = 2,
       .checkpoint_every = 2});
}

TEMPLATE_TEST_CASE("a resumed run gives the same bits: truncated backpropagation carries its states", "",
                   float, double) {
  using S = TestType;
  using R = Run<S, Streamer<S>, StreamLoss<S>, StreamSource<S>, Adam<S>, Rmse>;
  for (const std::int64_t accumulate : {1, 3}) {
    check_every_stop<S>([&](std::uint64_t seed, const std::string& file) {
      return std::make_unique<R>(
          seed, [](const auto& model) { return Adam<S>(parameters(model), {.lr = 0.02}); },
          StreamSource<S>(33, 2, 5, 3), StreamSource<S>(11, 3, 5, 4),
          TrainOptions{.epochs = 3, .accumulate = accumulate, .clip_norm = 1.0, .checkpoint = file}, Rmse());
    });
  }
}

TEST_CASE("a generator of the user's own is part of the run") {
  const Folder folder;
  const std::string file = folder.file("run");
  const auto train = [&](std::int64_t stop_at, bool resume) {
    Streamer<float> model(1);
    Sgd<float> sgd(parameters(model), {.lr = 0.05});
    Rng noise(resume ? 77 : 7);
    auto loss = [&](Streamer<float>& m, const WindowBatch<float>& batch) {
      const Tensor<float> x = batch.x + random_normal<float>(batch.x.shape(), 0.0, 0.1, noise);
      return mse_loss(m.head(m.lstm(Var<float>(x)).output), Var<float>(batch.y));
    };
    Trainer trainer(model, sgd, loss, {.epochs = 2, .checkpoint = file, .progress = false});
    trainer.keep("noise", noise);
    TrainOptions options = trainer.options();
    options.on_step = [&](const StepReport& r) {
      if (r.step == stop_at) trainer.stop();
    };
    trainer.set_options(options);
    if (resume) trainer.resume(file);
    trainer.fit(StreamSource<float>(20, 2, 5, 3));
    return weights_of(model);
  };
  const auto want = train(0, false);
  train(3, false);
  CHECK(same_bits(train(0, true), want));
}

TEST_CASE("fit() goes on where it ended: twice two epochs are four") {
  const auto train = [](std::initializer_list<std::int64_t> epochs) {
    Classifier<float> model(1);
    Adam<float> adam(parameters(model), {.lr = 0.02});
    Trainer trainer(model, adam, ClassLoss{}, {.restore_best = false, .progress = false});
    for (const std::int64_t n : epochs) {
      TrainOptions options = trainer.options();
      options.epochs = n;
      trainer.set_options(options);
      trainer.fit(BucketedSource<float>(22, 4, 5));
    }
    return weights_of(model);
  };
  CHECK(same_bits(train({2, 4}), train({4})));
  CHECK_FALSE(same_bits(train({2}), train({4})));
}

TEST_CASE("with the option resume the same program begins and goes on") {
  const Folder folder;
  const std::string file = folder.file("run");
  const auto train = [&](std::int64_t epochs) {
    Classifier<float> model(1);
    Adam<float> adam(parameters(model), {.lr = 0.02});
    Trainer trainer(model, adam, ClassLoss{},
                    {.epochs = epochs, .checkpoint = file, .resume = true, .progress = false});
    return trainer.fit(BucketedSource<float>(22, 4, 5)).steps;
  };
  CHECK(train(2) == 12);
  CHECK(train(2) == 12);
  CHECK(load_checkpoint<float>(file).state.history.size() == 2);
  CHECK(train(3) == 18);
}

TEST_CASE(
    "the checkpoint of an epoch's last step is that of its end, so that no log holds its scores twice") {
  const Folder folder;
  const std::string file = folder.file("run");
  Classifier<float> model(1);
  Adam<float> adam(parameters(model), {.lr = 0.02});
  std::vector<std::int64_t> steps;
  TrainOptions options{.epochs = 2, .checkpoint = file, .checkpoint_every = 1, .progress = false};
  options.on_epoch = [&](const EpochReport&) { steps.push_back(load_checkpoint<float>(file).state.step); };
  Trainer trainer(model, adam, ClassLoss{}, options);
  trainer.fit(BucketedSource<float>(22, 4, 5));
  CHECK(steps == std::vector<std::int64_t>{5, 11});
  CHECK(load_checkpoint<float>(file).state.step == 12);
}
