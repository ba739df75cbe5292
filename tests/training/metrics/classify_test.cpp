#include "training/metrics/confusion_matrix.hpp"

#include <catch2/catch.hpp>
#include <cmath>

#include "framework/errors.hpp"

using namespace unroll;

namespace {

// Three scores from a sequence: its sum, its length and 0.
struct ByHand {
  Var<double> operator()(const Batch<double>& batch) const {
    Tensor<double> scores = zeros<double>({batch.lengths.size(), 3});
    for (std::size_t b = 0; b < batch.lengths.size(); ++b) {
      for (std::size_t t = 0; t < batch.values.shape()[0]; ++t) scores(b, 0) += batch.values(t, b, 0);
      scores(b, 1) = static_cast<double>(batch.lengths[b]);
    }
    return Var<double>(scores);
  }
};

}  // namespace

TEST_CASE("every sample gets the class of its largest score, of equals the first, and its probability") {
  SequenceDataset<double> data;
  data.add(from_values<double>({1, 1}, {5.0}), 0);
  data.add(from_values<double>({3, 1}, {-1.0, 0.0, -2.0}), 2);
  data.add(from_values<double>({2, 1}, {0.5, 1.5}), 0);
  const auto classes = classify(ByHand(), data, 2);
  REQUIRE(classes.size() == 3);
  CHECK(classes[0].label == 0);
  CHECK(classes[0].probability == Approx(1.0 / (1.0 + std::exp(-4.0) + std::exp(-5.0))).epsilon(1e-15));
  CHECK(classes[1].label == 1);
  CHECK(classes[1].probability == Approx(1.0 / (1.0 + std::exp(-6.0) + std::exp(-3.0))).epsilon(1e-15));
  CHECK(classes[2].label == 0);  // 2 and 2
  CHECK(classes[2].probability == Approx(1.0 / (2.0 + std::exp(-2.0))).epsilon(1e-15));

  const ConfusionMatrix matrix = confusion_matrix(classes, data.labels(), 3);
  CHECK(matrix.total() == 3);
  CHECK(matrix.count(2, 1) == 1);
  CHECK(matrix.accuracy() == Approx(2.0 / 3.0));
  CHECK_THROWS_WITH(confusion_matrix(classes, std::vector<std::int64_t>{0, 1}, 3),
                    "[confusion_matrix] labels: expected 3 (one per sample), got 2");
  CHECK_THROWS_AS(confusion_matrix(classes, data.labels(), 2), ShapeError);
  CHECK(classify(ByHand(), SequenceDataset<double>()).empty());
}

TEST_CASE("scores of another shape than a row a sample are refused") {
  SequenceDataset<double> data;
  data.add(from_values<double>({1, 1}, {5.0}));
  const auto by_step = [](const Batch<double>& batch) { return Var<double>(batch.values); };
  CHECK_THROWS_WITH(classify(by_step, data), "[classify] scores: expected (1,C) with C >= 1, got (1,1,1)");
}
