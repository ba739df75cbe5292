#include <catch2/catch.hpp>
#include <cmath>

#include "training/training.hpp"
#include "unroll.hpp"

using namespace unroll;

namespace {

// The scores are the batch's values.
struct Echo {
  Var<double> operator()(const Batch<double>& batch) const { return Var<double>(batch.values); }
};

}  // namespace

TEST_CASE("CrossEntropyLoss is the mean over the labels that count, with what metrics read") {
  // Two rows of two steps, scores (N,C,T); the last label is padding.
  Batch<double> batch;
  batch.values = from_values<double>({2, 2, 2}, {1.0, 0.0, 0.0, 2.0, -1.0, 5.0, 1.0, 5.0});
  batch.labels = from_values<std::int64_t>({2, 2}, {0, 0, 1, -100});
  const Echo model;
  const auto result = CrossEntropyLoss()(model, batch);
  const auto minus_log = [](double gap) { return std::log1p(std::exp(-gap)); };
  CHECK(result.loss.item() == Approx((minus_log(1.0) + minus_log(-2.0) + minus_log(2.0)) / 3).epsilon(1e-14));
  Accuracy accuracy;
  accuracy.update(result.outputs.value(), result.targets);
  CHECK(accuracy.counted() == 3);
  CHECK(accuracy.value() == Approx(2.0 / 3.0));

  const auto smoothed = CrossEntropyLoss{{.label_smoothing = 0.5}}(model, batch);
  CHECK(smoothed.loss.item() != Approx(result.loss.item()));
}
