// Losses: values by hand, gradients, reductions, extreme logits, and what they refuse.
#include "layers/losses.hpp"

#include <catch2/catch.hpp>
#include <cmath>
#include <limits>

#include "check_derivatives.hpp"
#include "framework/errors.hpp"
#include "framework/gradcheck.hpp"
#include "framework/random.hpp"

using namespace unroll;
using Catch::Contains;
using test::check_derivatives;

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
    const CrossEntropyOptions options{
        .reduction = Reduction::sum, .class_weights = {0.5, 2.0, 3.0}, .label_smoothing = smoothing};
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
          return cross_entropy(
              v[0], v[1], {.reduction = reduction, .class_weights = {0.5, 1.0, 2.0}, .label_smoothing = 0.1});
        },
        {kLogits, probabilities});
    check_derivatives(
        [&](const auto& v) {
          return bce_with_logits(v[0], v[1], {.reduction = reduction, .weight = v[2], .pos_weight = v[3]});
        },
        {kLogits, probabilities, from_values<double>({4, 1}, {0.5, 1.0, 2.0, 0.1}),
         Tensor<double>{0.5, 1.0, 2.0}});
    check_derivatives(
        [&](const auto& v) {
          return cosine_embedding_loss(v[0], v[1], IndexTensor{1, -1, -1, 1},
                                       {.margin = -0.6, .reduction = reduction});
        },
        {kLogits, target});
  }
}

TEST_CASE("regression losses and binary cross-entropy by hand") {
  const Var<double> d(Tensor<double>{0.5, -2.0, 0.0}), zero(zeros<double>({3}));
  CHECK((mse_loss(d, zero, Reduction::none).value() == Tensor<double>{0.25, 4.0, 0.0}));
  CHECK((l1_loss(d, zero, Reduction::none).value() == Tensor<double>{0.5, 2.0, 0.0}));
  CHECK((huber_loss(d, zero, 1.0, Reduction::none).value() == Tensor<double>{0.125, 1.5, 0.0}));
  CHECK(huber_loss(d, zero, 3.0, Reduction::sum).item() == 2.125);
  CHECK((smooth_l1_loss(d, zero, 1.0, Reduction::none).value() == Tensor<double>{0.125, 1.5, 0.0}));
  CHECK((smooth_l1_loss(d, zero, 4.0, Reduction::none).value() == Tensor<double>{0.03125, 0.5, 0.0}));
  CHECK(smooth_l1_loss(d, zero, 0.0).item() == Approx(2.5 / 3.0));
  const Var<double> target(Tensor<double>{1.0, 0.0, 0.25});
  const Var<double> v(Tensor<double>{2.0, 1.0, 3.0});
  const Tensor<double> each =
      bce_with_logits(d, target, {.reduction = Reduction::none, .pos_weight = v}).value();
  const auto log_sigmoid = [](double z) { return -std::log1p(std::exp(-z)); };
  CHECK(each(0) == Approx(-2.0 * log_sigmoid(0.5)));
  CHECK(each(1) == Approx(-log_sigmoid(2.0)));
  CHECK(each(2) == Approx(-(3.0 * 0.25 + 0.75) * log_sigmoid(0.0)));
}

TEST_CASE("cross-entropy over time with weights, smoothing and ignored labels is that of each position") {
  Rng rng(5);
  const Tensor<double> x = random_normal<double>({2, 3, 4}, 0.0, 1.0, rng);
  const IndexTensor labels{{0, 2, 9, 1}, {2, 9, 0, 1}};
  const std::vector<double> w{0.5, 2.0, 3.0};
  const auto options = [&](Reduction reduction) {
    return CrossEntropyOptions{
        .reduction = reduction, .class_weights = w, .ignore_index = 9, .label_smoothing = 0.3};
  };
  const Tensor<double> each = cross_entropy(Var<double>(x), labels, options(Reduction::none)).value();
  REQUIRE(each.shape() == Shape{2, 4});
  double total = 0.0, weight = 0.0;
  for (std::size_t n = 0; n < 2; ++n) {
    for (std::size_t t = 0; t < 4; ++t) {
      if (labels(n, t) == 9) {
        CHECK(each(n, t) == 0.0);
        continue;
      }
      Tensor<double> row(Shape{1, 3});
      for (std::size_t c = 0; c < 3; ++c) row(0, c) = x(n, c, t);
      const auto y = static_cast<std::size_t>(labels(n, t));
      double want = 0.7 * w[y] * by_hand(row, 0, y);
      for (std::size_t c = 0; c < 3; ++c) want += 0.1 * w[c] * by_hand(row, 0, c);
      CHECK(each(n, t) == Approx(want).epsilon(1e-13));
      total += want;
      weight += w[y];
    }
  }
  CHECK(cross_entropy(Var<double>(x), labels, options(Reduction::sum)).item() ==
        Approx(total).epsilon(1e-13));
  CHECK(cross_entropy(Var<double>(x), labels, options(Reduction::mean)).item() ==
        Approx(total / weight).epsilon(1e-13));
}

TEST_CASE("the mean over no label is NaN with gradient 0, their sum is 0") {
  for (const double smoothing : {0.0, 0.2}) {
    const Var<double> x = parameter(kLogits);
    const IndexTensor labels{7, 7, 7, 7};
    Tape tape;
    const Var<double> loss = cross_entropy(x, labels, {.ignore_index = 7, .label_smoothing = smoothing});
    CHECK(std::isnan(loss.item()));
    tape.backward(loss);
    CHECK(x.grad() == zeros<double>({4, 3}));
    CHECK(cross_entropy(x, labels, {.reduction = Reduction::sum, .ignore_index = 7}).item() == 0.0);
  }
}

TEST_CASE("weights of binary cross-entropy multiply the losses one by one and do not enter the mean") {
  Rng rng(6);
  const Var<double> z(random_normal<double>({2, 3}, 0.0, 1.0, rng));
  const Var<double> y(random_uniform<double>({2, 3}, 0.0, 1.0, rng));
  const Tensor<double> w = from_values<double>({2, 1}, {0.5, 3.0}), v{2.0, 0.0, 0.25};
  const Tensor<double> each =
      bce_with_logits(z, y, {.reduction = Reduction::none, .weight = w, .pos_weight = v}).value();
  double total = 0.0;
  for (std::size_t n = 0; n < 2; ++n) {
    for (std::size_t c = 0; c < 3; ++c) {
      const double p = 1.0 / (1.0 + std::exp(-z.value()(n, c))), q = y.value()(n, c);
      const double want = -w(n, 0) * (v(c) * q * std::log(p) + (1.0 - q) * std::log(1.0 - p));
      CHECK(each(n, c) == Approx(want).epsilon(1e-13));
      total += want;
    }
  }
  CHECK(bce_with_logits(z, y, {.weight = w, .pos_weight = v}).item() == Approx(total / 6.0).epsilon(1e-13));
}

TEST_CASE("Kullback-Leibler divergence by hand, its four reductions, and log-probabilities as targets") {
  const Tensor<double> q{{0.5, 0.25, 0.25}, {1.0, 0.0, 0.0}};
  const Var<double> x = log_softmax(Var<double>(Tensor<double>{{0.3, -1.2, 2.0}, {1.5, 0.2, -0.7}}), 1);
  const auto loss = [&](KlReduction reduction) {
    return kl_div_loss(x, Var<double>(q), {.reduction = reduction}).value();
  };
  const Tensor<double> each = loss(KlReduction::none);
  double total = 0.0;
  for (std::size_t n = 0; n < 2; ++n) {
    for (std::size_t c = 0; c < 3; ++c) {
      const double entropy = q(n, c) > 0.0 ? q(n, c) * std::log(q(n, c)) : 0.0;
      const double want = entropy - q(n, c) * x.value()(n, c);
      CHECK(each(n, c) == Approx(want).margin(1e-15));
      total += want;
    }
  }
  CHECK(loss(KlReduction::sum)() == Approx(total));
  CHECK(loss(KlReduction::mean)() == Approx(total / 6.0));
  CHECK(loss(KlReduction::batchmean)() == Approx(total / 2.0));
  const Var<double> log_q(Tensor<double>{{-0.1, -2.0, -3.0}, {-1.0, -0.5, -4.0}});
  const Tensor<double> in_logs =
      kl_div_loss(x, log_q, {.reduction = KlReduction::none, .log_target = true}).value();
  const Tensor<double> of_exp = kl_div_loss(x, exp(log_q), {.reduction = KlReduction::none}).value();
  for (std::size_t i = 0; i < 6; ++i) CHECK(in_logs.data()[i] == Approx(of_exp.data()[i]).epsilon(1e-13));
}

TEST_CASE("Kullback-Leibler divergence has derivatives in both inputs, also where the target is zero") {
  const Tensor<double> q{{0.5, 0.25, 0.25}, {0.9, 0.06, 0.04}};
  const Tensor<double> x{{-0.3, -1.2, -2.0}, {-1.5, -0.2, -0.7}};
  for (const auto reduction :
       {KlReduction::mean, KlReduction::sum, KlReduction::none, KlReduction::batchmean}) {
    check_derivatives([&](const auto& v) { return kl_div_loss(v[0], v[1], {.reduction = reduction}); },
                      {x, q});
    check_derivatives(
        [&](const auto& v) { return kl_div_loss(v[0], v[1], {.reduction = reduction, .log_target = true}); },
        {x, log(Var<double>(q)).value()});
  }
  const Var<double> input = parameter(Tensor<double>{-0.5, -1.5}),
                    target = parameter(Tensor<double>{0.0, 1.0});
  Tape tape;
  tape.backward(kl_div_loss(input, target, {.reduction = KlReduction::sum}));
  CHECK(input.grad() == Tensor<double>{0.0, -1.0});
  CHECK(target.grad() == Tensor<double>{0.5, 2.5});
}

TEST_CASE("cosine embedding loss by hand: pairs together or apart, beyond the margin, of length zero") {
  const Var<double> x1(Tensor<double>{{3.0, 4.0}, {3.0, 4.0}, {1.0, 0.0}, {0.0, 0.0}});
  const Var<double> x2(Tensor<double>{{8.0, 6.0}, {4.0, 3.0}, {0.0, 2.0}, {1.0, 2.0}});
  const IndexTensor labels{1, -1, -1, 1};
  const auto each = [&](double margin) {
    return cosine_embedding_loss(x1, x2, labels, {.margin = margin, .reduction = Reduction::none}).value();
  };
  CHECK(xt::allclose(each(0.0), Tensor<double>{0.04, 0.96, 0.0, 1.0}, 1e-12, 1e-12));
  CHECK(xt::allclose(each(0.5), Tensor<double>{0.04, 0.46, 0.0, 1.0}, 1e-12, 1e-12));
  CHECK(xt::allclose(each(-0.5), Tensor<double>{0.04, 1.46, 0.5, 1.0}, 1e-12, 1e-12));
  CHECK(cosine_embedding_loss(x1, x2, labels).item() == Approx(0.5));
  CHECK(cosine_embedding_loss(select(x1, 0, 0), select(x2, 0, 0), IndexTensor(Shape{}, 1)).item() ==
        Approx(0.04));
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
                    Contains("expected 0..2") && Contains("got 3 at position 2"));
  CHECK_THROWS_WITH(cross_entropy(logits, IndexTensor{0, 1}),
                    Contains("labels: expected (4)") && Contains("got (2)"));
  CHECK_THROWS_AS(cross_entropy(Var<float>(zeros<float>({4})), IndexTensor{0}), ShapeError);
  CHECK_THROWS_AS(cross_entropy(logits, IndexTensor{0, 1, 2, 2}, {.class_weights = {1.0}}), ShapeError);
  for (const double weight : {-1.0, std::nan(""), std::numeric_limits<double>::infinity()}) {
    CHECK_THROWS_WITH(cross_entropy(logits, IndexTensor{0, 1, 2, 2}, {.class_weights = {1.0, weight, 2.0}}),
                      Contains("[cross_entropy] class_weights[1]: expected a number >= 0, got"));
  }
  CHECK_THROWS_AS(cross_entropy(logits, IndexTensor{0, 1, 2, 2}, {.label_smoothing = 1.5}), ArgumentError);
  CHECK_THROWS_AS(nll_loss(logits, IndexTensor{0, 1, 2, 2}, {.label_smoothing = 0.5}), ArgumentError);
  CHECK_THROWS_WITH(mse_loss(logits, Var<float>(zeros<float>({4, 1}))), Contains("nothing broadcasts"));
  CHECK_THROWS_AS(huber_loss(logits, logits, 0.0), ArgumentError);
  CHECK_THROWS_AS(smooth_l1_loss(logits, logits, -1.0), ArgumentError);
  CHECK_THROWS_WITH(cross_entropy(logits, logits, {.ignore_index = 1}),
                    Contains("[cross_entropy] ignore_index: expected < 0") && Contains("got 1"));
  CHECK_THROWS_AS(cross_entropy(logits, logits, {.ignore_index = 0}), ArgumentError);

  const auto of_shape = [](const Shape& shape) { return Var<float>(zeros<float>(shape)); };
  CHECK_THROWS_AS(bce_with_logits(logits, of_shape({4, 1})), ShapeError);
  CHECK_THROWS_WITH(bce_with_logits(logits, logits, {.weight = of_shape({2, 1})}),
                    Contains("[bce_with_logits] weight: expected") && Contains("logits' (4,3), got (2,1)"));
  CHECK_THROWS_WITH(bce_with_logits(logits, logits, {.pos_weight = of_shape({4})}),
                    Contains("pos_weight: expected a shape that broadcasts") && Contains("got (4)"));
  CHECK_THROWS_AS(bce_with_logits(logits, logits, {.weight = of_shape({1, 4, 3})}), ShapeError);

  CHECK_THROWS_WITH(kl_div_loss(logits, of_shape({4})),
                    Contains("[kl_div_loss] target: expected (4,3)") && Contains("got (4)"));
  CHECK_THROWS_AS(kl_div_loss(of_shape({}), of_shape({}), {.reduction = KlReduction::batchmean}), ShapeError);

  const IndexTensor pairs{1, -1, 1, 1};
  CHECK_THROWS_WITH(cosine_embedding_loss(logits, of_shape({3}), pairs),
                    Contains("x2: expected (4,3)") && Contains("got (3)"));
  CHECK_THROWS_WITH(cosine_embedding_loss(logits, logits, IndexTensor{1, 1}),
                    Contains("labels: expected (4)") && Contains("got (2)"));
  CHECK_THROWS_WITH(cosine_embedding_loss(logits, logits, IndexTensor{1, -1, 0, 1}),
                    Contains("labels: expected 1 or -1, got 0 at position 2"));
  CHECK_THROWS_AS(cosine_embedding_loss(logits, logits, pairs, {.margin = 1.5}), ArgumentError);
  CHECK_THROWS_AS(cosine_embedding_loss(of_shape({}), of_shape({}), pairs), ShapeError);
}
