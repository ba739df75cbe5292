#include <catch2/catch.hpp>
#include <cmath>
#include <filesystem>

#include "tests/training/experiments.hpp"

using namespace unroll;
using namespace unroll::test;
using Catch::Contains;

namespace {

// y = W x with squared errors, batches of given sizes.
struct PairBatch {
  Tensor<double> x, y;
  std::size_t size() const { return x.shape()[0]; }
};
struct PairSource {
  std::vector<std::size_t> sizes;
  std::size_t size() const { return sizes.size(); }
  void start_epoch(std::int64_t) {}
  PairBatch batch(std::size_t i) const {
    std::size_t first = 0;
    for (std::size_t k = 0; k < i; ++k) first += sizes[k];
    PairBatch batch{empty<double>({sizes[i], 3}), empty<double>({sizes[i], 2})};
    for (std::size_t n = 0; n < sizes[i]; ++n) {
      Rng rng(first + n);
      for (std::size_t c = 0; c < 3; ++c) batch.x(n, c) = rng.normal();
      for (std::size_t c = 0; c < 2; ++c) batch.y(n, c) = rng.normal();
    }
    return batch;
  }
};
struct PairModel {
  using Scalar = double;
  Linear<double> linear;
  PairModel() {
    Rng rng(3);
    linear = Linear<double>(3, 2, rng);
  }
  static void each(auto& self, auto&& visit) { visit("linear", self.linear); }
};
const auto squared = [](PairModel& model, const PairBatch& batch) {
  return mse_loss(model.linear(Var<double>(batch.x)), Var<double>(batch.y));
};

TensorMap<double> after(const PairSource& source, TrainOptions options, auto loss) {
  PairModel model;
  Adam<double> adam(parameters(model), {.lr = 0.1});
  options.progress = false;
  options.restore_best = false;
  Trainer trainer(model, adam, loss, options);
  trainer.fit(PairSource(source));
  return weights_of(model);
}

void check_near(const TensorMap<double>& a, const TensorMap<double>& b) {
  for (const auto& [name, tensor] : a) {
    for (std::size_t i = 0; i < tensor.size(); ++i) {
      CHECK(tensor.data()[i] == Approx(b.at(name).data()[i]).epsilon(1e-12).margin(1e-13));
    }
  }
}

// One parameter that a training batch moves down by lr; a validation batch measures (p - target)^2.
struct Walk {
  using Scalar = double;
  Var<double> p = parameter(Tensor<double>(1.0), "p");
  static void each(auto& self, auto&& visit) { visit("p", self.p); }
};
struct Goal {
  double target;
  static std::size_t size() { return 1; }
};
struct Goals {
  std::vector<double> targets;
  std::size_t size() const { return targets.size(); }
  void start_epoch(std::int64_t) {}
  Goal batch(std::size_t i) const { return {targets[i]}; }
};
const Goals kDown{{NAN}};
const auto walk_loss = [](Walk& walk, const Goal& goal) {
  return std::isnan(goal.target) ? walk.p * 1.0 : square(walk.p - goal.target);
};

}  // namespace

TEST_CASE("the trainer makes the steps that a loop written by hand makes, to the bit") {
  Classifier<float> model(1), same(1);
  BucketedSource<float> train(22, 4, 5);
  Adam<float> adam(parameters(model), {.lr = 0.02}), other(parameters(same), {.lr = 0.02});
  Trainer trainer(model, adam, ClassLoss{},
                  {.epochs = 3, .clip_norm = 0.7, .restore_best = false, .progress = false}, Accuracy());
  const TrainResult result = trainer.fit(train);

  REQUIRE(result.history.size() == 3);
  for (std::int64_t epoch = 1; epoch <= 3; ++epoch) {
    train.start_epoch(epoch);
    double loss_sum = 0.0, samples = 0.0, right = 0.0, norms = 0.0;
    for (std::size_t i = 0; i < train.size(); ++i) {
      const auto batch = train.batch(i);
      Tape tape;
      const auto logits = same(batch);
      const auto loss = cross_entropy(logits, batch.labels);
      tape.backward(loss);
      norms += clip_grad_norm(other.parameters(), 0.7);
      other.step();
      const auto n = static_cast<double>(batch.size());
      loss_sum += n * static_cast<double>(loss.item());
      samples += n;
      for (std::size_t b = 0; b < batch.size(); ++b) {
        const float* row = logits.data() + 3 * b;
        right += std::max_element(row, row + 3) - row == batch.labels(b) ? 1.0 : 0.0;
      }
    }
    const EpochReport& report = result.history[static_cast<std::size_t>(epoch - 1)];
    CHECK(score(report.train, "loss") == loss_sum / samples);
    CHECK(score(report.train, "accuracy") == right / samples);
    CHECK(report.grad_norm == norms / 6.0);
    CHECK(report.step == 6 * epoch);
    CHECK(report.lr == 0.02);
  }
  CHECK(same_bits(weights_of(model), weights_of(same)));
  CHECK(same_bits(adam.state(), other.state()));
  CHECK(result.steps == 18);
  CHECK(result.stop == StopReason::finished);
}

TEST_CASE("accumulated batches of different sizes are one step of the big batch") {
  const auto big = after({{9}}, {.epochs = 4}, squared);
  check_near(after({{3, 1, 5}}, {.epochs = 4, .accumulate = 3}, squared), big);
  check_near(after({{2, 7}}, {.epochs = 4, .accumulate = 100}, squared), big);
  // A group is cut off by the epoch's end and counts what is in it.
  check_near(after({{3, 1, 5, 2, 1}}, {.epochs = 4, .accumulate = 3}, squared),
             after({{9, 3}}, {.epochs = 4}, squared));
}

TEST_CASE("the loss's own weights count instead of the batches' sizes, in steps and in the epoch's mean") {
  // Twice the loss at half the weight: only a mean over sizes would notice.
  const auto weighted = [](PairModel& model, const PairBatch& batch) {
    return WeightedLoss{squared(model, batch) * 2.0, 0.5 * static_cast<double>(batch.size())};
  };
  const auto doubled = [](PairModel& model, const PairBatch& batch) { return squared(model, batch) * 2.0; };
  check_near(after({{3, 1, 5}}, {.epochs = 4, .accumulate = 3}, weighted),
             after({{9}}, {.epochs = 4}, doubled));

  PairModel model;
  const auto by_number = [](PairModel& m, const PairBatch& batch) {
    return WeightedLoss{squared(m, batch), batch.size() == 1 ? 3.0 : 1.0};
  };
  Sgd<double> sgd(parameters(model), {.lr = 0.0});
  Trainer trainer(model, sgd, by_number, {.progress = false});
  const double a = squared(model, PairSource{{5, 1}}.batch(0)).item();
  const double b = squared(model, PairSource{{5, 1}}.batch(1)).item();
  CHECK(score(trainer.fit(PairSource{{5, 1}}).history[0].train, "loss") == Approx((a + 3 * b) / 4));
}

TEST_CASE("a batch without weight makes no step and counts in no mean, whatever its loss") {
  const auto skipping = [](PairModel& model, const PairBatch& batch) {
    const bool empty = batch.size() == 1;
    return WeightedLoss{squared(model, batch) * (empty ? NAN : 1.0), empty ? 0.0 : 5.0};
  };
  const auto want = after({{5}}, {.epochs = 3}, squared);
  CHECK(same_bits(after({{5, 1}}, {.epochs = 3}, skipping), want));
  check_near(after({{5, 1, 1}}, {.epochs = 3, .accumulate = 2}, skipping), want);
}

TEST_CASE("the learning rate follows a schedule per step or epoch, or a factor on every group's own") {
  std::vector<double> rates;
  const auto watch = [&](const StepReport& r) { rates.push_back(r.lr); };
  const Schedule falling = [](std::int64_t k) { return 1.0 / static_cast<double>(k + 1); };
  PairModel model;
  {
    Sgd<double> sgd(parameters(model), {.lr = 0.5});
    Trainer trainer(model, sgd, squared, {.epochs = 2, .lr = falling, .progress = false, .on_step = watch});
    trainer.fit(PairSource{{2, 2}});
    CHECK(rates == std::vector<double>{1.0, 1.0, 0.5, 0.5});
  }
  rates.clear();
  {
    Sgd<double> sgd(parameters(model), {.lr = 0.5});
    Trainer trainer(
        model, sgd, squared,
        {.epochs = 2, .lr = falling, .lr_per = Interval::step, .progress = false, .on_step = watch});
    trainer.fit(PairSource{{2, 2}});
    CHECK(rates == std::vector<double>{1.0, 1.0 / 2, 1.0 / 3, 1.0 / 4});
  }
  auto rest = parameters(model);
  auto bias = take_named(rest, "bias");
  Sgd<double> sgd({{bias, {.lr = 0.5}}, {rest, {.lr = 0.1}}});
  {
    Trainer trainer(model, sgd, squared, {.epochs = 3, .lr_factor = falling, .progress = false});
    trainer.fit(PairSource{{2}});
    CHECK(sgd.lr(0) == 0.5 / 3);
    CHECK(sgd.lr(1) == 0.1 / 3);
  }
  Trainer trainer(model, sgd, squared, {.lr = falling, .progress = false});
  CHECK_THROWS_WITH(
      trainer.fit(PairSource{{2}}),
      Contains("[Trainer.fit] lr: expected an optimizer with one group, got 2 groups (lr_factor "));
}

TEST_CASE("a plateau lowers the rate by the monitored score, in the direction that is its better one") {
  Walk walk;
  Sgd<double> sgd(parameters(walk), {.lr = 0.1});
  std::vector<double> rates;
  // Down to 0.5 in five epochs; from there on it gets worse.
  Trainer trainer(walk, sgd, walk_loss,
                  {.epochs = 8,
                   .plateau = PlateauSchedule{.lr = 0.1, .factor = 0.5, .patience = 1},
                   .progress = false,
                   .on_epoch = [&](const EpochReport& r) { rates.push_back(r.lr); }});
  trainer.fit(Goals(kDown), Goals{{0.5}});
  CHECK(rates == std::vector<double>{0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.05});
}

TEST_CASE("training stops early, and the model ends with its best weights") {
  const Folder folder;
  Walk walk;
  Sgd<double> sgd(parameters(walk), {.lr = 0.1});
  Trainer trainer(walk, sgd, walk_loss,
                  {.epochs = 20, .patience = 2, .best_file = folder.file("best"), .progress = false});
  const TrainResult result = trainer.fit(Goals(kDown), Goals{{0.62}});
  CHECK(result.stop == StopReason::early);
  CHECK(result.history.size() == 6);
  CHECK(result.best_epoch == 4);
  CHECK(result.best_score == Approx(0.0004));
  CHECK(walk.p.item() == Approx(0.6));
  CHECK(load_tensors<double>(folder.file("best")).tensors.at("p")() == walk.p.item());
  CHECK_THAT(result.message, Contains("stopped early after epoch 6"));
  std::vector<bool> best;
  for (const EpochReport& report : result.history) best.push_back(report.best);
  CHECK(best == std::vector<bool>{true, true, true, true, false, false});
  // It is over: nothing more happens.
  CHECK(trainer.fit(Goals(kDown), Goals{{0.62}}).history.size() == 6);
}

TEST_CASE("the best file is a model's file with its metadata, of either format, after a resume too") {
  const Folder folder;
  for (const std::string name : {"best.safetensors", "best.npz"}) {
    const std::string file = folder.file(name), checkpoint = folder.file(name + ".checkpoint");
    const auto train = [&](std::int64_t epochs) {
      Walk walk;
      Sgd<double> sgd(parameters(walk), {.lr = 0.1});
      TrainOptions options{.epochs = epochs,
                           .checkpoint = checkpoint,
                           .resume = true,
                           .best_file = file,
                           .best_metadata = {{"program", "walk"}},
                           .progress = false};
      return Trainer(walk, sgd, walk_loss, options).fit(Goals(kDown), Goals{{0.62}});
    };
    CHECK(train(5).best_epoch == 4);
    Walk best;
    const LoadReport report = load_model(file, best);
    CHECK(best.p.item() == Approx(0.6));
    CHECK(report.metadata.text("program") == "walk");
    // No later epoch is better: the file is written again all the same.
    std::filesystem::remove(file);
    CHECK(train(7).best_epoch == 4);
    Walk again;
    load_model(file, again);
    CHECK(again.p.item() == best.p.item());
  }
}

TEST_CASE(
    "early stopping counts what is better by min_delta; the best weights are those of any better epoch") {
  Walk walk;
  Sgd<double> sgd(parameters(walk), {.lr = 0.1});
  Trainer trainer(walk, sgd, walk_loss, {.epochs = 20, .patience = 1, .min_delta = 0.03, .progress = false});
  // Scores 0.0784, 0.0324, 0.0064 ...: the third is better by less than 0.03.
  const TrainResult result = trainer.fit(Goals(kDown), Goals{{0.62}});
  CHECK(result.history.size() == 3);
  CHECK(result.best_epoch == 3);

  Walk last;
  Sgd<double> other(parameters(last), {.lr = 0.1});
  Trainer keeps(last, other, walk_loss, {.epochs = 6, .restore_best = false, .progress = false});
  keeps.fit(Goals(kDown), Goals{{0.62}});
  CHECK(last.p.item() == Approx(0.4));
  CHECK(keeps.restore_best());
  CHECK(last.p.item() == Approx(0.6));
}

TEST_CASE("logs get the summary, the scores of epochs and, at choice, of steps, and histograms") {
  MemoryLog log;
  Classifier<double> model(1);
  Sgd<double> sgd(parameters(model), {.lr = 0.1});
  Trainer trainer(model, sgd, ClassLoss{},
                  {.epochs = 2, .logs = {&log}, .log_every = 4, .histograms_every = 6, .progress = false},
                  Accuracy(), named("top2", Accuracy({.top_k = 2})), Perplexity());
  const TrainResult result = trainer.fit(BucketedSource<double>(22, 4, 5), BucketedSource<double>(9, 4, 6));
  CHECK(log.lines[0].text == "summary: " + summary(model));
  CHECK(log.count("step/loss=") == 3);  // steps 4, 8, 12
  CHECK(log.count("weights/head.bias 3 ") == 2);
  CHECK(log.count("gradients/lstm.weight_ih_l0 60 ") == 2);
  const EpochReport& last = result.history.back();
  std::string want = "epoch 2";
  for (const char* name : {"loss", "accuracy", "top2", "perplexity"}) {
    want += fmt::format(" train/{}={}", name, score(last.train, name));
  }
  for (const char* name : {"loss", "accuracy", "top2", "perplexity"}) {
    want += fmt::format(" valid/{}={}", name, score(last.valid, name));
  }
  want += fmt::format(" grad_norm={} lr=0.1", last.grad_norm);
  CHECK(log.lines.back() == MemoryLog::Line{12, want});
  CHECK(score(last.valid, "perplexity") == Approx(std::exp(score(last.valid, "loss"))));
  CHECK(log.flushes > 0);
}

TEST_CASE("evaluate() is in evaluation mode, weighs batches by samples and puts the loss's state aside") {
  Classifier<double> model(1);
  Adam<double> adam(parameters(model), {.lr = 0.02});
  Trainer trainer(model, adam, ClassLoss{}, {.progress = false}, Accuracy());
  trainer.fit(BucketedSource<double>(22, 4, 5));
  BucketedSource<double> few(9, 4, 6), one(9, 9, 6);
  const Scores a = trainer.evaluate(few), b = trainer.evaluate(one);
  CHECK(score(a, "loss") == Approx(score(b, "loss")).epsilon(1e-12));
  CHECK(score(a, "accuracy") == score(b, "accuracy"));
  CHECK(score(a, "loss") == score(trainer.evaluate(few), "loss"));
  CHECK_FALSE(model.dropout.training);

  Streamer<float> streamer(1);
  Sgd<float> sgd(parameters(streamer), {.lr = 0.1});
  Trainer stream(streamer, sgd, StreamLoss<float>{}, {.progress = false});
  stream.fit(StreamSource<float>(20, 2, 5, 3));
  const auto before = stream.loss().state();
  REQUIRE(before.size() == 2);
  stream.evaluate(StreamSource<float>(20, 3, 5, 4));
  CHECK(same_bits(stream.loss().state(), before));
}

TEST_CASE("options and arguments that do not fit are refused by name") {
  PairModel model;
  Sgd<double> sgd(parameters(model), {.lr = 0.1});
  const auto squared_only = [](PairModel& m, const PairBatch& b) {
    return LossOutput{squared(m, b), m.linear(Var<double>(b.x)), b.y};
  };
  const auto fit = [&](TrainOptions options) {
    options.progress = false;
    Trainer trainer(model, sgd, squared, options);
    trainer.fit(PairSource{{2, 2}});
  };
  CHECK_THROWS_WITH(fit({.accumulate = 0}), "[Trainer] accumulate: expected >= 1, got 0");
  CHECK_THROWS_WITH(fit({.epochs = -1}), "[Trainer] epochs: expected >= 0, got -1");
  CHECK_THROWS_WITH(fit({.clip_norm = -1.0}), Contains("clip_norm"));
  CHECK_THROWS_WITH(fit({.resume = true}), Contains("checkpoint: expected a file's name for resume"));
  CHECK_THROWS_WITH(fit({.checkpoint = "a", .best_file = "a"}), Contains("best_file: expected another file"));
  CHECK_THROWS_WITH(fit({.logs = {nullptr}}), Contains("null pointer"));
  CHECK_THROWS_WITH(
      fit({.lr = CosineSchedule{.lr = 1.0, .period = 2}, .plateau = PlateauSchedule{.lr = 1.0}}),
      Contains("at most one of lr, lr_factor and plateau"));
  CHECK_THROWS_WITH(fit({.plateau = PlateauSchedule{.lr = 0.1, .factor = NAN}}), Contains("factor"));
  CHECK_THROWS_WITH(fit({.monitor = "valid/loss"}),
                    "[Trainer.fit] monitor: expected one of train/loss, got 'valid/loss'");
  CHECK_THROWS_AS(fit({.checkpoint = "no such folder/run"}), FileError);
  Trainer trainer(model, sgd, squared, {.progress = false});
  CHECK_THROWS_WITH(trainer.fit(PairSource{{}}), Contains("at least one batch"));
  CHECK_THROWS_WITH((Trainer(model, sgd, squared_only, {}, Rmse(), Mae(), named("rmse", Mae()))),
                    Contains("'rmse' twice"));
  Trainer whole(model, sgd, [](PairModel& m, const PairBatch& b) { return m.linear(Var<double>(b.x)); },
                {.progress = false});
  CHECK_THROWS_WITH(whole.fit(PairSource{{2}}), Contains("expected one element, got shape (2,2)"));
  Trainer negative(model, sgd,
                   [](PairModel& m, const PairBatch& b) {
                     return WeightedLoss{squared(m, b), -1.0};
                   },
                   {.progress = false});
  CHECK_THROWS_WITH(negative.fit(PairSource{{2}}), Contains("weight of train loss of epoch 1, batch 1"));
}
