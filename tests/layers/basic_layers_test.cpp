// Linear, Embedding, Dropout, LayerNorm: values, gradients and what they refuse.
#include <catch2/catch.hpp>

#include "check_derivatives.hpp"
#include "framework/errors.hpp"
#include "framework/gradcheck.hpp"
#include "layers/layers.hpp"

using namespace unroll;
using Catch::Contains;

TEST_CASE("Linear is x W^T + b with checked gradients") {
  Rng rng(1);
  Linear<double> layer(3, 4, rng);
  const Tensor<double> x = random_normal<double>({2, 5, 3}, 0.0, 1.0, rng);
  const Var<double> y = layer(Var<double>(x));
  double want = layer.bias.value()(2);
  for (std::size_t i = 0; i < 3; ++i) want += x(1, 4, i) * layer.weight.value()(2, i);
  CHECK(y.value()(1, 4, 2) == Approx(want).epsilon(1e-14));
  const auto f = [&](const std::vector<Var<double>>& v) {
    layer.weight = v[1];
    layer.bias = v[2];
    return layer(v[0]);
  };
  test::check_derivatives(f, {x, layer.weight.value(), layer.bias.value()});
}

TEST_CASE("Linear's initialisation is PyTorch's") {
  Rng rng(1);
  const Linear<double> layer(16, 200, rng);
  const Tensor<double>& w = layer.weight.value();
  const auto [low, high] = std::minmax_element(w.data(), w.data() + w.size());
  CHECK(*low >= -0.25);
  CHECK(*high < 0.25);
  CHECK(*low < -0.24);
  CHECK(*high > 0.24);
}

TEST_CASE("layers name themselves when the input does not fit") {
  Rng rng(1);
  CHECK_THROWS_WITH(Linear<float>(3, 2, rng)(Var<float>(zeros<float>({5, 4}))),
                    Contains("[Linear.forward]") && Contains("(...,3)") && Contains("(5,4)"));
  CHECK_THROWS_AS(Linear<float>(0, 2, rng), ArgumentError);
  CHECK_THROWS_WITH(LayerNorm<float>(3)(Var<float>(zeros<float>({5, 4}))),
                    Contains("[LayerNorm.forward]") && Contains("(...,3)"));
  CHECK_THROWS_AS(LayerNorm<float>(0), ArgumentError);
  CHECK_THROWS_AS((LayerNorm<float>(3, {.eps = -1.0})), ArgumentError);
  CHECK_THROWS_AS(Dropout<float>(1.5, rng), ArgumentError);
  CHECK_THROWS_AS((Embedding<float>(4, 2, rng, {.padding_id = 4})), ArgumentError);
  CHECK_THROWS_AS(Embedding<float>(0, 2, rng), ArgumentError);
  CHECK_THROWS_AS((Embedding<float>(4, 2, rng)(IndexTensor{1, 4})), ShapeError);
}

TEST_CASE("Embedding looks rows up and keeps the padding row at zero") {
  Rng rng(2);
  const Embedding<double> layer(5, 3, rng, {.padding_id = 2});
  const IndexTensor ids{{1, 2}, {4, 1}, {2, 0}};
  Tape tape;
  const Var<double> y = layer(ids);
  CHECK(y.shape() == Shape{3, 2, 3});
  CHECK(y.value()(1, 0, 2) == layer.weight.value()(4, 2));
  CHECK(y.value()(0, 1, 0) == 0.0);
  tape.backward(sum(y));
  CHECK(layer.weight.grad() == Tensor<double>{{1, 1, 1}, {2, 2, 2}, {0, 0, 0}, {0, 0, 0}, {1, 1, 1}});
}

TEST_CASE("Dropout scales what it keeps while training and is the identity after") {
  Rng rng(3);
  Dropout<double> layer(0.25, rng);
  const Var<double> x(ones<double>({40, 50}));
  const Tensor<double> y = layer(x).value();
  std::size_t kept = 0;
  for (double v : y) {
    CHECK((v == 0.0 || v == Approx(4.0 / 3.0)));
    kept += v != 0.0;
  }
  CHECK(std::abs(static_cast<double>(kept) / 2000.0 - 0.75) < 0.04);  // four standard deviations
  set_training(layer, false);
  CHECK((layer(x).value() == x.value()));
}

TEST_CASE("LayerNorm normalises the last axis with checked gradients") {
  Rng rng(4);
  LayerNorm<double> layer(5);
  const Tensor<double> x = random_normal<double>({2, 3, 5}, 1.0, 2.0, rng);
  const Tensor<double> y = layer(Var<double>(x)).value();
  double mean = 0.0, square = 0.0;
  for (std::size_t i = 0; i < 5; ++i) {
    mean += y(1, 2, i) / 5.0;
    square += y(1, 2, i) * y(1, 2, i) / 5.0;
  }
  CHECK(mean == Approx(0.0).margin(1e-14));
  CHECK(square == Approx(1.0).epsilon(1e-4));  // eps in the root
  const auto f = [&](const std::vector<Var<double>>& v) {
    layer.weight = v[1];
    layer.bias = v[2];
    return layer(v[0]);
  };
  test::check_derivatives(
      f, {x, random_normal<double>({5}, 1.0, 0.5, rng), random_normal<double>({5}, 0.0, 1.0, rng)});
}
