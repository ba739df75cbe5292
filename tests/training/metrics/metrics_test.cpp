#include <catch2/catch.hpp>
#include <cmath>
#include <xtensor/xview.hpp>

#include "tests/training/experiments.hpp"

using namespace unroll;
using Catch::Contains;

namespace {

// Labels and predictions of 12 samples of 4 classes; class 3 occurs as neither.
const std::vector<std::int64_t> kLabels{0, 1, 2, 0, 1, 2, 0, 0, 1, 2, 2, 2};
const std::vector<std::int64_t> kPredicted{0, 2, 1, 0, 0, 2, 0, 1, 1, 2, 2, 0};

IndexTensor index_tensor(const std::vector<std::int64_t>& values) {
  IndexTensor tensor(Shape{values.size()});
  std::copy(values.begin(), values.end(), tensor.data());
  return tensor;
}

// Scores whose largest is the prediction.
Tensor<float> scores_of(const std::vector<std::int64_t>& predictions, std::size_t classes) {
  Rng rng(1);
  Tensor<float> scores = random_uniform<float>({predictions.size(), classes}, -1.0, 1.0, rng);
  for (std::size_t i = 0; i < predictions.size(); ++i)
    scores(i, static_cast<std::size_t>(predictions[i])) = 2.0F;
  return scores;
}

template <class M>
M read_back(const M& metric, M fresh) {
  fresh.load_state(metric.state());
  return fresh;
}

}  // namespace

TEST_CASE("accuracy counts samples, not batches, and the label among the k largest") {
  Rng rng(5);
  const std::size_t n = 40, classes = 6;
  const Tensor<double> scores = random_normal<double>({n, classes}, 0.0, 1.0, rng);
  IndexTensor labels(Shape{n});
  for (auto& label : labels) label = rng.below(7) - 1;  // -1 does not count
  for (const Index k : {1, 2, 5}) {
    // By sorting, all at once.
    double right = 0.0, counted = 0.0;
    for (std::size_t i = 0; i < n; ++i) {
      if (labels(i) == -1) continue;
      std::vector<std::pair<double, std::int64_t>> order;
      for (std::size_t c = 0; c < classes; ++c)
        order.emplace_back(-scores(i, c), static_cast<std::int64_t>(c));
      std::sort(order.begin(), order.end());
      counted += 1.0;
      for (Index place = 0; place < k; ++place) {
        right += order[static_cast<std::size_t>(place)].second == labels(i) ? 1.0 : 0.0;
      }
    }
    Accuracy accuracy({.top_k = k, .ignore_index = -1});
    CHECK(std::isnan(accuracy.value()));
    for (const auto& [first, last] : {std::pair(0, 1), std::pair(1, 30), std::pair(30, 40)}) {
      accuracy.update(Tensor<double>(xt::view(scores, xt::range(first, last))),
                      IndexTensor(xt::view(labels, xt::range(first, last))));
    }
    CHECK(accuracy.value() == right / counted);
    CHECK(accuracy.counted() == static_cast<std::int64_t>(counted));
    CHECK(read_back(accuracy, Accuracy({.top_k = k})).value() == accuracy.value());
  }
}

TEST_CASE("accuracy reads (N,C,T) with labels (N,T), takes the first of equals and NaN for the largest") {
  Tensor<float> scores = zeros<float>({1, 2, 3});  // equal: class 0
  scores(0, 1, 1) = 1.0F;                          // class 1
  scores(0, 0, 2) = 5.0F;
  scores(0, 1, 2) = NAN;
  Accuracy accuracy;
  accuracy.update(scores, IndexTensor{{0, 1, 0}});
  CHECK(accuracy.value() == Approx(2.0 / 3.0));
  Accuracy ties;
  ties.update(zeros<float>({2, 2}), IndexTensor{0, 1});
  CHECK(ties.value() == 0.5);
}

TEST_CASE("precision, recall and F1 are scikit-learn's: per class, macro, micro, weighted") {
  ConfusionMatrix matrix(4);
  matrix.update(scores_of(kPredicted, 4), index_tensor(kLabels));
  // label 0: 3 right, 1 as 1; label 1: 1 as 0, 1 right, 1 as 2; label 2: 1 as 0, 1 as 1, 3 right.
  CHECK(matrix.count(0, 0) == 3);
  CHECK(matrix.count(1, 2) == 1);
  CHECK(matrix.count(2, 0) == 1);
  CHECK(matrix.total() == 12);
  CHECK(matrix.precision(0) == Approx(3.0 / 5));
  CHECK(matrix.precision(1) == Approx(1.0 / 3));
  CHECK(matrix.precision(2) == Approx(3.0 / 4));
  CHECK(matrix.precision(3) == 0.0);
  CHECK(matrix.recall(0) == Approx(3.0 / 4));
  CHECK(matrix.recall(1) == Approx(1.0 / 3));
  CHECK(matrix.recall(2) == Approx(3.0 / 5));
  CHECK(matrix.f1(0) == Approx(2 * 0.6 * 0.75 / (0.6 + 0.75)));
  CHECK(matrix.f1(1) == Approx(1.0 / 3));
  CHECK(matrix.f1(2) == Approx(2 * 0.6 * 0.75 / (0.6 + 0.75)));
  CHECK(matrix.accuracy() == Approx(7.0 / 12));
  // Over the three classes that occur; supports 4, 3, 5.
  const double f = 2.0 / 3;
  CHECK(matrix.precision(Average::macro) == Approx((0.6 + 1.0 / 3 + 0.75) / 3));
  CHECK(matrix.recall(Average::macro) == Approx((0.75 + 1.0 / 3 + 0.6) / 3));
  CHECK(matrix.f1(Average::macro) == Approx((f + 1.0 / 3 + f) / 3));
  CHECK(matrix.precision(Average::weighted) == Approx((4 * 0.6 + 3 * (1.0 / 3) + 5 * 0.75) / 12));
  CHECK(matrix.recall(Average::weighted) == Approx(7.0 / 12));
  CHECK(matrix.f1(Average::weighted) == Approx((4 * f + 1 + 5 * f) / 12));
  for (const double micro :
       {matrix.precision(Average::micro), matrix.recall(Average::micro), matrix.f1(Average::micro)}) {
    CHECK(micro == Approx(7.0 / 12));
  }
  CHECK(F1(4).value() == 0.0);
  F1 f1(4, Average::weighted);
  Precision precision(4);
  Recall recall(4);
  const IndexTensor labels = index_tensor(kLabels), predicted = index_tensor(kPredicted);
  f1.update(predicted, labels);
  precision.update(predicted, labels);
  recall.update(predicted, labels);
  CHECK(f1.value() == matrix.f1(Average::weighted));
  CHECK(precision.value() == matrix.precision(Average::macro));
  CHECK(recall.value() == matrix.recall(Average::macro));
  CHECK(read_back(f1, F1(4, Average::weighted)).value() == f1.value());
  // A class that is predicted but never a label counts for macro, with recall 0.
  ConfusionMatrix predicted_only(3);
  predicted_only.update(IndexTensor{0, 2}, IndexTensor{0, 0});
  CHECK(predicted_only.recall(Average::macro) == Approx(0.25));
}

TEST_CASE("labels to be ignored do not count in a confusion matrix, nor what was predicted there") {
  ConfusionMatrix matrix(2, -1);
  matrix.update(IndexTensor{0, 7, 1}, IndexTensor{0, -1, 0});
  CHECK(matrix.total() == 2);
  CHECK(matrix.accuracy() == 0.5);
}

TEST_CASE("a confusion matrix prints with recall at the right and precision below") {
  ConfusionMatrix matrix(3);
  matrix.update(IndexTensor{0, 1, 1, 0}, IndexTensor{0, 1, 0, 0});
  CHECK(matrix.table({"de", "\u00e9l\u00e8ve", "a name too long to stand"}) ==
        "true                        de           \u00e9l\u00e8ve  a name too l..  recall\n"
        "de                           2               1               0   66.7%\n"
        "\u00e9l\u00e8ve                        0               1               0  100.0%\n"
        "a name too l..               0               0               0       -\n"
        "precision               100.0%           50.0%               -\n");
  CHECK_THAT(matrix.table(), Contains("true            0       1       2  recall\n"));
  CHECK_THROWS_WITH(matrix.table({"a"}), "[ConfusionMatrix.table] names: expected 3 or none, got 1");
}

TEST_CASE("RMSE and MAE are over all elements, however they are batched") {
  Rng rng(2);
  const Tensor<float> a = random_normal<float>({7, 2}, 0.0, 1.0, rng),
                      b = random_normal<float>({7, 2}, 0.0, 1.0, rng);
  double squares = 0.0, sizes = 0.0;
  for (std::size_t i = 0; i < 14; ++i) {
    const double d = static_cast<double>(a.data()[i]) - static_cast<double>(b.data()[i]);
    squares += d * d;
    sizes += std::abs(d);
  }
  Rmse rmse;
  Mae mae;
  for (const auto& [first, last] : {std::pair(0, 1), std::pair(1, 7)}) {
    const Tensor<float> x = xt::view(a, xt::range(first, last)), y = xt::view(b, xt::range(first, last));
    rmse.update(x, y);
    mae.update(x, y);
  }
  CHECK(rmse.value() == Approx(std::sqrt(squares / 14)));
  CHECK(mae.value() == Approx(sizes / 14));
  CHECK(read_back(rmse, Rmse()).value() == rmse.value());
  CHECK_THROWS_WITH(rmse.update(a, Tensor<float>(Shape{7})),
                    "[Rmse] prediction: expected the target's shape (7), got (7,2)");
  CHECK(std::isnan(Mae().value()));
}

TEST_CASE("perplexity and bits per character weigh the losses by their tokens") {
  // One token of probability 1/2 and three of 1/8: 10 bits in all.
  Perplexity perplexity;
  BitsPerCharacter bits;
  for (const auto& [loss, tokens] : {std::pair(std::log(2.0), 1.0), std::pair(std::log(8.0), 3.0)}) {
    perplexity.update(loss, tokens);
    bits.update(loss, tokens);
  }
  bits.update(NAN, 0.0);  // nothing of a batch without tokens
  CHECK(bits.value() == Approx(2.5));
  CHECK(perplexity.value() == Approx(std::exp2(2.5)));
  CHECK(read_back(perplexity, Perplexity()).value() == perplexity.value());
  CHECK_THROWS_AS(bits.update(1.0, -1.0), ArgumentError);
}

TEST_CASE("metrics refuse shapes, labels and texts that are not theirs, and then count nothing") {
  Accuracy accuracy({.top_k = 2});
  const Tensor<float> scores = zeros<float>({2, 3});
  CHECK_THROWS_WITH(accuracy.update(scores, IndexTensor{0, 3}),
                    "[Accuracy] labels: expected classes 0..2, got 3 at 1 of (2)");
  CHECK_THROWS_WITH(accuracy.update(scores, IndexTensor{0}),
                    "[Accuracy] labels: expected (2) for scores (2,3), got (1)");
  CHECK_THROWS_WITH(accuracy.update(zeros<float>({2}), IndexTensor{0, 1}), Contains("(N,C) or (N,C,T)"));
  CHECK_THROWS_WITH(accuracy.update(zeros<float>({2, 1}), IndexTensor{0, 0}),
                    Contains("at least top_k = 2 classes"));
  CHECK(accuracy.counted() == 0);
  CHECK_THROWS_AS(Accuracy({.top_k = 0}), ArgumentError);
  ConfusionMatrix matrix(3);
  CHECK_THROWS_AS(matrix.update(IndexTensor{0, 3}, IndexTensor{0, 1}), ShapeError);
  CHECK_THROWS_AS(matrix.update(IndexTensor{0, 1}, IndexTensor{0, -1}), ShapeError);
  CHECK_THROWS_AS(matrix.update(zeros<float>({1, 2}), IndexTensor{0}), ShapeError);
  CHECK(matrix.total() == 0);
  CHECK_THROWS_AS(matrix.count(0, 3), ArgumentError);
  CHECK_THROWS_AS(ConfusionMatrix(0), ArgumentError);
  CHECK_THROWS_AS(ConfusionMatrix(Index{1} << 33), ArgumentError);
  for (const std::string bad : {"", "1", "1 2 3", "1  2", "-1 2", "x 2", "1 2 "}) {
    CAPTURE(bad);
    CHECK_THROWS_WITH(accuracy.load_state(bad),
                      Contains("[Accuracy.load_state] state: expected what state() returned"));
    CHECK_THROWS_AS(matrix.load_state(bad), ArgumentError);
  }
  CHECK_THROWS_WITH(matrix.load_state(ConfusionMatrix(2).state()), Contains("expected 3 classes"));
}
