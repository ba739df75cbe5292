// Masked sums and means: against loops over the real steps, with NaN in the padding.
#include "layers/losses.hpp"

#include <catch2/catch.hpp>
#include <cmath>

#include "framework/errors.hpp"
#include "framework/gradcheck.hpp"
#include "framework/random.hpp"

using namespace unroll;
using Catch::Contains;

namespace {

constexpr std::size_t kSteps = 4, kBatch = 3, kWidth = 2;
const std::vector<Index> kLengths{2, 4, 1};

bool is_padding(std::size_t t, std::size_t b) { return t >= static_cast<std::size_t>(kLengths[b]); }

// (T,B) or (T,B,H), NaN behind the ends.
Tensor<double> ragged(bool wide, double padding) {
  Rng rng(7);
  Tensor<double> x =
      random_normal<double>(wide ? Shape{kSteps, kBatch, kWidth} : Shape{kSteps, kBatch}, 0.0, 1.0, rng);
  const std::size_t width = wide ? kWidth : 1;
  for (std::size_t i = 0; i < x.size(); ++i) {
    if (is_padding(i / width / kBatch, i / width % kBatch)) x.data()[i] = padding;
  }
  return x;
}

// Sums of each sequence and further element, (B,H), by a loop.
std::vector<double> sums(const Tensor<double>& x) {
  const std::size_t width = x.size() / kSteps / kBatch;
  std::vector<double> result(kBatch * width, 0.0);
  for (std::size_t b = 0; b < kBatch; ++b) {
    for (std::size_t t = 0; !is_padding(t, b) && t < kSteps; ++t) {
      for (std::size_t h = 0; h < width; ++h) result[b * width + h] += x.data()[(t * kBatch + b) * width + h];
    }
  }
  return result;
}

using Masked = Var<double> (*)(const Var<double>&, const std::vector<Index>&, const MaskedOptions&);
const std::vector<Masked> kAll{&masked_sum<double>, &masked_mean<double>, &masked_sum_over_time<double>,
                               &masked_mean_over_time<double>};

}  // namespace

TEST_CASE("masked sums and means are those of the real steps, in both layouts") {
  for (const bool wide : {false, true}) {
    const Tensor<double> x = ragged(wide, std::nan(""));
    const std::vector<double> each = sums(x);
    const std::size_t width = wide ? kWidth : 1;
    double total = 0.0;
    for (const double s : each) total += s;
    for (const bool batch_first : {false, true}) {
      const Var<double> values = batch_first ? transpose(Var<double>(x), 0, 1) : Var<double>(x);
      const MaskedOptions options{.batch_first = batch_first};
      CHECK(masked_sum(values, kLengths, options).item() == Approx(total).epsilon(1e-14));
      CHECK(masked_mean(values, kLengths, options).item() ==
            Approx(total / static_cast<double>(7 * width)).epsilon(1e-14));
      const Tensor<double> of_each = masked_sum_over_time(values, kLengths, options).value();
      const Tensor<double> means = masked_mean_over_time(values, kLengths, options).value();
      REQUIRE(of_each.shape() == (wide ? Shape{kBatch, kWidth} : Shape{kBatch}));
      REQUIRE(means.shape() == of_each.shape());
      for (std::size_t i = 0; i < each.size(); ++i) {
        CHECK(of_each.data()[i] == Approx(each[i]).epsilon(1e-14));
        CHECK(means.data()[i] == Approx(each[i] / static_cast<double>(kLengths[i / width])).epsilon(1e-14));
      }
    }
  }
}

TEST_CASE("NaN behind a sequence's end reaches neither a masked value nor a gradient") {
  const Tensor<double> x = ragged(true, std::nan(""));
  for (const Masked f : kAll) {
    const Var<double> values = parameter(x);
    Tape tape;
    const Var<double> y = f(values, kLengths, {});
    for (const double v : y.value()) CHECK(std::isfinite(v));
    tape.backward(sum(square(y)));
    for (std::size_t i = 0; i < x.size(); ++i) {
      const bool padding = is_padding(i / kWidth / kBatch, i / kWidth % kBatch);
      CHECK(padding == (values.grad().data()[i] == 0.0));
      CHECK(std::isfinite(values.grad().data()[i]));
    }
  }
}

TEST_CASE("masked sums and means have first and second derivatives") {
  const std::vector<Tensor<double>> inputs{ragged(true, 0.5)};
  for (const Masked f : kAll) {
    for (const bool batch_first : {false, true}) {
      const auto squares = [&](const std::vector<Var<double>>& v) {
        const Var<double> values = batch_first ? transpose(v[0], 0, 1) : v[0];
        return f(square(values), kLengths, {.batch_first = batch_first});
      };
      const auto first = gradcheck(squares, inputs);
      INFO(first.message);
      CHECK(first);
      const auto second = gradgradcheck(squares, inputs);
      INFO(second.message);
      CHECK(second);
    }
  }
}

TEST_CASE("a masked mean of the steps' losses is the loss of the real steps alone") {
  Rng rng(8);
  const Tensor<double> logits = random_normal<double>({kSteps * kBatch, 5}, 0.0, 1.0, rng);
  IndexTensor labels(Shape{kSteps * kBatch});
  IndexTensor real(labels.shape());
  for (std::size_t i = 0; i < labels.size(); ++i) {
    labels(i) = static_cast<std::int64_t>(i % 5);
    real(i) = is_padding(i / kBatch, i % kBatch) ? -100 : labels(i);
  }
  const Var<double> each = cross_entropy(Var<double>(logits), labels, {.reduction = Reduction::none});
  CHECK(masked_mean(reshape(each, {kSteps, kBatch}), kLengths).item() ==
        Approx(cross_entropy(Var<double>(logits), real).item()).epsilon(1e-14));
}

TEST_CASE("without lengths all steps are real, and a sequence without steps has sum 0 and mean NaN") {
  const Tensor<double> x = ragged(false, 0.25);
  CHECK(masked_mean(Var<double>(x), {}).item() == Approx(mean(Var<double>(x)).item()).epsilon(1e-15));
  const Var<double> values = parameter(x);
  Tape tape;
  const Var<double> means = masked_mean_over_time(values, {2, 0, 4});
  CHECK(std::isfinite(means.value()(0)));
  CHECK(std::isnan(means.value()(1)));
  CHECK(std::isfinite(means.value()(2)));
  CHECK(masked_sum_over_time(values, {2, 0, 4}).value()(1) == 0.0);
  CHECK(std::isnan(masked_mean(values, {0, 0, 0}).item()));
  tape.backward(means, Var<double>(Tensor<double>{1.0, 1.0, 2.0}));
  CHECK(values.grad() == Tensor<double>{{0.5, 0.0, 0.5}, {0.5, 0.0, 0.5}, {0.0, 0.0, 0.5}, {0.0, 0.0, 0.5}});
}

TEST_CASE("masked sums and means refuse shapes and lengths that do not fit") {
  const Var<float> values(zeros<float>({4, 3}));
  CHECK_THROWS_WITH(masked_sum(Var<float>(zeros<float>({4})), {}),
                    Contains("[masked_sum] values: expected (T,B,...), got (4)"));
  CHECK_THROWS_WITH(masked_sum(Var<float>(zeros<float>({4})), {}, {.batch_first = true}),
                    Contains("values: expected (B,T,...)"));
  CHECK_THROWS_WITH(masked_mean(values, {1, 2}),
                    Contains("[masked_mean] lengths: expected 3 entries") && Contains("of (4,3)), got 2"));
  CHECK_THROWS_WITH(masked_sum_over_time(values, {1, 5, 2}),
                    Contains("[masked_sum_over_time] lengths[1]: expected 0..4") && Contains("got 5"));
  CHECK_THROWS_WITH(masked_mean_over_time(values, {1, 2, -1}),
                    Contains("[masked_mean_over_time] lengths[2]: expected 0..4") && Contains("got -1"));
  CHECK_THROWS_AS(masked_mean(values, {1, 2}), ShapeError);
  CHECK_THROWS_AS(masked_mean(values, {4, 4, 1, 1}, {.batch_first = true}), ArgumentError);
}
