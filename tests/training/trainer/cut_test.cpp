// Means, metrics and accumulated gradients do not depend on how the data is cut into batches.
#include <catch2/catch.hpp>
#include <cmath>

#include "tests/training/experiments.hpp"

using namespace unroll;
using namespace unroll::test;
using Catch::Contains;

namespace {

constexpr Index kIgnored = -100;

struct Samples {
  Tensor<double> scores;  // (N,C)
  IndexTensor labels;     // (N)
  std::size_t size() const { return labels.size(); }
};

const std::vector<std::vector<double>> kScores{{0.0, 0.3, -1.0}, {2.0, 0.0, 0.5}, {0.0, 4.0, 1.0},
                                               {-0.5, 0.0, 0.7}, {1.0, 1.0, 0.0}, {0.2, 0.1, 3.0}};
const std::vector<Index> kLabels{0, 0, kIgnored, 2, kIgnored, 1};

// Consecutive batches of the samples of these labels; bit i of the pattern cuts behind sample i.
struct Cut {
  std::vector<Index> labels = kLabels;
  std::vector<std::pair<std::size_t, std::size_t>> parts = {};
  explicit Cut(unsigned pattern, std::vector<Index> some = kLabels) : labels(std::move(some)) {
    std::size_t first = 0;
    for (std::size_t i = 0; i < labels.size(); ++i) {
      if (i + 1 < labels.size() && ((pattern >> i) & 1U) == 0) continue;
      parts.emplace_back(first, i + 1);
      first = i + 1;
    }
  }
  std::size_t size() const { return parts.size(); }
  void start_epoch(std::int64_t) {}
  Samples batch(std::size_t i) const {
    const auto [first, last] = parts[i];
    Samples batch{empty<double>({last - first, 3}), IndexTensor(Shape{last - first})};
    for (std::size_t n = first; n < last; ++n) {
      for (std::size_t c = 0; c < 3; ++c) batch.scores(n - first, c) = kScores[n][c];
      batch.labels(n - first) = labels[n];
    }
    return batch;
  }
};
const unsigned kCuts = 1U << (kLabels.size() - 1);

struct Shifted {
  using Scalar = double;
  Var<double> shift = parameter(Tensor<double>{0.1, -0.2, 0.0}, "shift");
  Var<double> operator()(const Samples& b) const { return Var<double>(b.scores) + shift; }
  static void each(auto& self, auto&& visit) { visit("shift", self.shift); }
};

struct Outcome {
  Scores scores;
  TensorMap<double> weights;  // after one step on all batches
};

template <class Loss>
Outcome of(const Cut& cut, const Loss& loss) {
  Shifted model;
  Sgd<double> sgd(parameters(model), {.lr = 1.0});
  Trainer trainer(model, sgd, loss, {.accumulate = 100, .restore_best = false, .progress = false}, Accuracy(),
                  Perplexity(), BitsPerCharacter(), F1(3));
  Outcome outcome{trainer.evaluate(cut), {}};
  const TrainResult result = trainer.fit(cut);
  CHECK(result.steps == 1);
  for (std::size_t i = 0; i < outcome.scores.size(); ++i) {  // as the batches were learned from
    CHECK(result.history[0].train[i].value == Approx(outcome.scores[i].value).epsilon(1e-13));
  }
  outcome.weights = weights_of(model);
  return outcome;
}

template <class Loss>
void check_every_cut(const Loss& loss) {
  const Outcome whole = of(Cut(0), loss);
  for (unsigned pattern = 1; pattern < kCuts; ++pattern) {
    CAPTURE(pattern);
    const Outcome got = of(Cut(pattern), loss);
    for (std::size_t i = 0; i < whole.scores.size(); ++i) {
      CAPTURE(whole.scores[i].name);
      CHECK(got.scores[i].value == Approx(whole.scores[i].value).epsilon(1e-13));
    }
    for (std::size_t c = 0; c < 3; ++c) {
      CHECK(got.weights.at("shift")(c) == Approx(whole.weights.at("shift")(c)).epsilon(1e-13));
    }
  }
}

}  // namespace

TEST_CASE("CrossEntropyLoss gives the same means and gradients however the data is cut") {
  check_every_cut(CrossEntropyLoss());
  check_every_cut(CrossEntropyLoss{{.label_smoothing = 0.2}});
  check_every_cut(CrossEntropyLoss{{.class_weights = {0.5, 2.0, 7.0}}});
  check_every_cut(CrossEntropyLoss{{.class_weights = {0.5, 2.0, 7.0}, .label_smoothing = 0.2}});
  // Labels whose class weighs nothing are no part of the loss, and are still right or wrong.
  check_every_cut(CrossEntropyLoss{{.class_weights = {0.0, 1.0, 1.0}}});
}

TEST_CASE("so does a loss that says its weight, of any size") {
  for (const double unit : {1.0, 1e-300, 1e300}) {
    check_every_cut([unit](Shifted& model, const Samples& batch) {
      const auto scores = model(batch);
      return LossOutput{cross_entropy(scores, batch.labels), scores, batch.labels,
                        unit * cross_entropy_weight(batch.labels)};
    });
  }
}

TEST_CASE("a batch weighs the labels that count, as worked out by hand") {
  struct Pairs {
    std::vector<Samples> batches;
    std::size_t size() const { return batches.size(); }
    void start_epoch(std::int64_t) {}
    Samples batch(std::size_t i) const { return batches[i]; }
  };
  const Samples a{{{0.0, 0.0}, {0.0, 0.0}}, {0, 1}}, b{{{0.0, 4.0}, {0.0, 0.0}}, {0, kIgnored}};
  Shifted model{parameter(zeros<double>({2}), "shift")};
  Sgd<double> sgd(parameters(model), {.lr = 1.0});
  Trainer trainer(model, sgd, CrossEntropyLoss(), {.progress = false}, Perplexity());
  const Scores scores = trainer.evaluate(Pairs{{a, b}});
  const double want = (2.0 * std::log(2.0) + std::log1p(std::exp(4.0))) / 3.0;
  CHECK(want == Approx(1.80148).epsilon(1e-5));
  CHECK(score(scores, "loss") == Approx(want).epsilon(1e-14));
  CHECK(score(scores, "perplexity") == Approx(std::exp(want)).epsilon(1e-14));
}

TEST_CASE("cross_entropy_weight is what the mean divides by") {
  const IndexTensor labels{0, 2, kIgnored, 2};
  CHECK(cross_entropy_weight(labels) == 3.0);
  CHECK(cross_entropy_weight(labels, {.class_weights = {0.5, 1.0, 4.0}}) == 8.5);
  CHECK(cross_entropy_weight(labels, {.ignore_index = 2}) == 2.0);
  CHECK(cross_entropy_weight(IndexTensor{kIgnored}) == 0.0);
  CHECK_THROWS_AS(cross_entropy_weight(labels, {.class_weights = {1.0, 1.0}}), ShapeError);
}

TEST_CASE("scores and labels of sequences, and probabilities as labels, weigh their positions") {
  struct Sequences {
    Var<double> scores;  // (N,C,T)
    IndexTensor labels;
  };
  struct Probable {
    Var<double> scores, labels;
  };
  const auto same = [](const auto& batch) { return batch.scores; };
  const Sequences sequences{Var<double>(zeros<double>({2, 3, 4})), full<std::int64_t>({2, 4}, 1)};
  CHECK(CrossEntropyLoss()(same, sequences).weight == 8.0);
  const Probable probable{sequences.scores, Var<double>(full<double>({2, 3, 4}, 1.0 / 3.0))};
  const auto result = CrossEntropyLoss()(same, probable);
  CHECK(result.weight == 8.0);
  CHECK(result.loss.item() == Approx(std::log(3.0)));
  CHECK_THROWS_WITH(CrossEntropyLoss{{.reduction = Reduction::sum}}(same, sequences),
                    Contains("[CrossEntropyLoss] reduction: expected mean"));
}

TEST_CASE("data in which no label counts is an error, not a mean of nothing") {
  const Cut none(1, {kIgnored, kIgnored, kIgnored});
  Shifted model;
  Sgd<double> sgd(parameters(model), {.lr = 1.0});
  Trainer trainer(model, sgd, CrossEntropyLoss(), {.epochs = 2, .progress = false}, Accuracy());
  CHECK_THROWS_WITH(trainer.evaluate(none),
                    Contains("[Trainer.evaluate] source: expected a batch of weight above 0, got none"));
  CHECK_THROWS_WITH(trainer.fit(none), Contains("[Trainer.fit] source: expected a batch of weight above 0"));
  Trainer fresh(model, sgd, CrossEntropyLoss(), {.epochs = 2, .progress = false}, Accuracy());
  CHECK_THROWS_WITH(fresh.fit(Cut(1), none), Contains("[Trainer.fit] validation source: expected a batch"));
}

TEST_CASE("errors of padded sequences are those of the sequences alone") {
  // Two sequences of 3 and 1 steps with two values a step; what is behind the end of the second is nonsense.
  Tensor<float> prediction = zeros<float>({3, 2, 2}), target = zeros<float>({3, 2, 2});
  for (std::size_t t = 0; t < 3; ++t) prediction(t, 0, 1) = 2.0F;
  prediction(0, 1, 0) = -4.0F;
  prediction(1, 1, 0) = prediction(2, 1, 1) = 1e6F;
  Rmse rmse;
  rmse.update(prediction, target, {3, 1});
  CHECK(rmse.value() == Approx(std::sqrt((3 * 4.0 + 16.0) / 8.0)));
  Mae mae;
  mae.update(prediction, target, {3, 1});
  CHECK(mae.value() == Approx((3 * 2.0 + 4.0) / 8.0));
  CHECK_THROWS_WITH(rmse.update(prediction, target, {3}), Contains("[Rmse] lengths: expected 2"));
  CHECK_THROWS_WITH(mae.update(prediction, target, {3, 4}), Contains("[Mae] lengths[1]: expected 0..3"));
  CHECK_THROWS_AS(rmse.update(prediction, zeros<float>({3, 2}), {3, 1}), ShapeError);
  CHECK_THROWS_AS(rmse.update(zeros<float>({3}), zeros<float>({3}), {3}), ShapeError);
  CHECK(rmse.value() == Approx(std::sqrt((3 * 4.0 + 16.0) / 8.0)));
}
