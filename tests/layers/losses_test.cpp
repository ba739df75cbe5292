// Losses: values by hand, gradients, reductions, extreme logits, and what they refuse.
#include "layers/losses.hpp"

#include <catch2/catch.hpp>
#include <cmath>

#include "framework/errors.hpp"
#include "framework/gradcheck.hpp"
#include "framework/random.hpp"

using namespace unroll;
using Catch::Contains;

namespace {

const Tensor<double> kLogits{
    {0.3, -1.2, 2.0}, {1.5, 0.2, -0.7}, {0.1, 0.4, -2.2}, {-0.6, 0.9, 1.1}};  // (N,C)
const IndexTensor kLabels{2, 0, 1, 1};

// -log softmax(row)[label], from the definition.
double by_hand(const Tensor<double>& logits, std::size_t row, std::size_t label) {
  double total = 0.0;
  for (std::size_t c = 0; c < logits.shape()[1]; ++c) total += std::exp(logits(row, c));
  return std::log(total) - logits(row, label);
}

void check_derivatives(const GradcheckFunction& f, const std::vector<Tensor<double>>& inputs) {
  const auto first = gradcheck(f, inputs);
  INFO(first.message);
  CHECK(first);
  const auto second = gradgradcheck(f, inputs);
  INFO(second.message);
  CHECK(second);
}

}  // namespace

TEST_CASE("cross-entropy is the mean, the sum or each -log softmax of the label") {
  const Var<double> logits(kLogits);
  const Tensor<double> each = cross_entropy(logits, kLabels, {.reduction = Reduction::none}).value();
  REQUIRE(each.shape() == Shape{4});
  double total = 0.0;
  for (std::size_t n = 0; n < 4; ++n) {
    const double want = by_hand(kLogits, n, static_cast<std::size_t>(kLabels(n)));
    CHECK(each(n) == Approx(want).epsilon(1e-14));
    total += want;
  }
  CHECK(cross_entropy(logits, kLabels, {.reduction = Reduction::sum}).item() == Approx(total).epsilon(1e-14));
  CHECK(cross_entropy(logits, kLabels).item() == Approx(total / 4.0).epsilon(1e-14));
  CHECK(nll_loss(log_softmax(logits, 1), kLabels).item() == Approx(total / 4.0).epsilon(1e-14));
}

TEST_CASE("one-hot probabilities give what class indices give") {
  Tensor<double> one_hot = zeros<double>({4, 3});
  for (std::size_t n = 0; n < 4; ++n) one_hot(n, static_cast<std::size_t>(kLabels(n))) = 1.0;
  const Var<double> logits(kLogits);
  for (const double smoothing : {0.0, 0.2}) {
    const CrossEntropyOptions options{.label_smoothing = smoothing};
    CHECK(cross_entropy(logits, Var<double>(one_hot), options).item() ==
          Approx(cross_entropy(logits, kLabels, options).item()).epsilon(1e-14));
  }
}

TEST_CASE("ignored labels and class weights enter the mean as in PyTorch") {
  const Var<double> logits(kLogits);
  const IndexTensor labels{2, -100, 1, 1};
  const std::vector<double> w{0.5, 2.0, 3.0};
  const double want =
      (3.0 * by_hand(kLogits, 0, 2) + 2.0 * by_hand(kLogits, 2, 1) + 2.0 * by_hand(kLogits, 3, 1)) / 7.0;
  CHECK(cross_entropy(logits, labels, {.class_weights = w}).item() == Approx(want).epsilon(1e-14));
  Tensor<double> broken = kLogits;
  broken(1, 0) = std::nan("");
  const Var<double> x = parameter(broken);
  Tape tape;
  const Var<double> loss = cross_entropy(x, labels, {.class_weights = w});
  CHECK(loss.item() == Approx(want).epsilon(1e-14));
}

TEST_CASE("cross-entropy over time takes (N,C,T) logits and (N,T) labels") {
  Rng rng(3);
  const Tensor<double> x = random_normal<double>({2, 3, 4}, 0.0, 1.0, rng);
  const IndexTensor labels{{0, 2, 1, 1}, {2, 2, 0, 1}};
  double total = 0.0;
  for (std::size_t n = 0; n < 2; ++n) {
    for (std::size_t t = 0; t < 4; ++t) {
      Tensor<double> row(Shape{1, 3});
      for (std::size_t c = 0; c < 3; ++c) row(0, c) = x(n, c, t);
      total += by_hand(row, 0, static_cast<std::size_t>(labels(n, t)));
    }
  }
  CHECK(cross_entropy(Var<double>(x), labels).item() == Approx(total / 8.0).epsilon(1e-14));
  check_derivatives(
      [&](const auto& v) { return cross_entropy(v[0], labels, {.reduction = Reduction::none}); }, {x});
}

TEST_CASE("losses have first and second derivatives in every input") {
  Rng rng(4);
  const Tensor<double> target = random_normal<double>({4, 3}, 0.0, 1.0, rng);
  const Tensor<double> probabilities = random_uniform<double>({4, 3}, 0.1, 0.9, rng);
  for (const Reduction reduction : {Reduction::mean, Reduction::sum, Reduction::none}) {
    check_derivatives(
        [&](const auto& v) {
          return cross_entropy(
              v[0], kLabels,
              {.reduction = reduction, .class_weights = {0.5, 1.0, 2.0}, .label_smoothing = 0.1});
        },
        {kLogits});
    check_derivatives([&](const auto& v) { return cross_entropy(v[0], v[1], {.reduction = reduction}); },
                      {kLogits, probabilities});
    check_derivatives([&](const auto& v) { return mse_loss(v[0], v[1], reduction); }, {kLogits, target});
    check_derivatives([&](const auto& v) { return l1_loss(v[0], v[1], reduction); }, {kLogits, target});
    check_derivatives([&](const auto& v) { return huber_loss(v[0], v[1], 0.8, reduction); },
                      {kLogits, target});
    check_derivatives([&](const auto& v) { return smooth_l1_loss(v[0], v[1], 0.8, reduction); },
                      {kLogits, target});
    check_derivatives(
        [&](const auto& v) {
          return bce_with_logits(v[0], v[1], {0.5, 1.0, 2.0}, reduction);
        },
        {kLogits, probabilities});
  }
}

TEST_CASE("regression losses and binary cross-entropy by hand") {
  const Var<double> d(Tensor<double>{0.5, -2.0, 0.0}), zero(zeros<double>({3}));
  CHECK(mse_loss(d, zero, Reduction::none).value() == Tensor<double>{0.25, 4.0, 0.0});
  CHECK(l1_loss(d, zero, Reduction::none).value() == Tensor<double>{0.5, 2.0, 0.0});
  CHECK(huber_loss(d, zero, 1.0, Reduction::none).value() == Tensor<double>{0.125, 1.5, 0.0});
  CHECK(huber_loss(d, zero, 3.0, Reduction::sum).item() == 2.125);
  CHECK(smooth_l1_loss(d, zero, 1.0, Reduction::none).value() == Tensor<double>{0.125, 1.5, 0.0});
  CHECK(smooth_l1_loss(d, zero, 4.0, Reduction::none).value() == Tensor<double>{0.03125, 0.5, 0.0});
  CHECK(smooth_l1_loss(d, zero, 0.0).item() == Approx(2.5 / 3.0));
  const Var<double> target(Tensor<double>{1.0, 0.0, 0.25});
  const Tensor<double> each = bce_with_logits(d, target, {2.0, 1.0, 3.0}, Reduction::none).value();
  const auto log_sigmoid = [](double z) { return -std::log1p(std::exp(-z)); };
  CHECK(each(0) == Approx(-2.0 * log_sigmoid(0.5)));
  CHECK(each(1) == Approx(-log_sigmoid(2.0)));
  CHECK(each(2) == Approx(-(3.0 * 0.25 + 0.75) * log_sigmoid(0.0)));
}

TEST_CASE("logits of ten thousand neither overflow nor lose the gradient") {
  const Var<double> x = parameter(Tensor<double>{{1e4, -1e4, 0.0}, {-1e4, 1e4, 9999.0}});
  Tape tape;
  const Var<double> loss = cross_entropy(x, IndexTensor{1, 1}, {.reduction = Reduction::sum});
  CHECK(loss.item() == Approx(2e4 + std::log1p(std::exp(-1.0))).epsilon(1e-14));
  tape.backward(loss);
  CHECK(x.grad()(0, 0) == Approx(1.0));
  CHECK(x.grad()(0, 1) == Approx(-1.0));
  CHECK(x.grad()(1, 2) == Approx(1.0 / (1.0 + std::exp(1.0))));
}

TEST_CASE("losses refuse what does not fit, and nothing broadcasts") {
  const Var<float> logits(zeros<float>({4, 3}));
  CHECK_THROWS_WITH(cross_entropy(logits, IndexTensor{0, 1, 3, 2}),
                    Contains("want 0..2") && Contains("got 3 at position 2"));
  CHECK_THROWS_WITH(cross_entropy(logits, IndexTensor{0, 1}),
                    Contains("labels want (4)") && Contains("got (2)"));
  CHECK_THROWS_AS(cross_entropy(Var<float>(zeros<float>({4})), IndexTensor{0}), ShapeError);
  CHECK_THROWS_AS(cross_entropy(logits, IndexTensor{0, 1, 2, 2}, {.class_weights = {1.0}}), ShapeError);
  CHECK_THROWS_AS(cross_entropy(logits, IndexTensor{0, 1, 2, 2}, {.label_smoothing = 1.5}), ArgumentError);
  CHECK_THROWS_AS(nll_loss(logits, IndexTensor{0, 1, 2, 2}, {.label_smoothing = 0.5}), ArgumentError);
  CHECK_THROWS_WITH(mse_loss(logits, Var<float>(zeros<float>({4, 1}))), Contains("nothing broadcasts"));
  CHECK_THROWS_AS(huber_loss(logits, logits, 0.0), ArgumentError);
  CHECK_THROWS_AS(smooth_l1_loss(logits, logits, -1.0), ArgumentError);
  CHECK_THROWS_AS(bce_with_logits(logits, logits, {1.0}), ShapeError);
}
