#include "layers/verify.hpp"

#include <catch2/catch.hpp>
#include <cmath>

#include "minimal_gated_unit.hpp"

using namespace unroll;
using unroll::test::MinimalGatedUnit;

namespace {

// The identity with a gradient that is 1 % too large.
Var<double> wrong_identity(const Var<double>& x) {
  Var<double> y(Tensor<double>(x.value()));
  return record("wrong_identity", std::move(y), input(x, [](const Var<double>& up) { return up * 1.01; }));
}

// A cell whose second gate has a slightly wrong gradient.
template <class S>
struct WrongCell : MinimalGatedUnit<S> {
  using MinimalGatedUnit<S>::MinimalGatedUnit;
  Var<S> step(const Var<S>& x, const Var<S>& h) const {
    return MinimalGatedUnit<S>::step(x, wrong_identity(h));
  }
};

}  // namespace

TEST_CASE("the minimal gated unit's step is its equations") {
  Rng rng(3);
  const MinimalGatedUnit<double> cell({.input = 2, .hidden = 3}, rng);
  const Tensor<double> x = random_normal<double>({4, 2}, 0.0, 1.0, rng),
                       h = random_normal<double>({4, 3}, 0.0, 1.0, rng);
  const Var<double> next = cell.step(Var<double>(x), Var<double>(h));
  REQUIRE(next.shape() == Shape{4, 3});

  const auto product = [](const Linear<double>& layer, std::size_t unit, const std::vector<double>& in) {
    double sum = layer.bias.data()[unit];
    for (std::size_t k = 0; k < in.size(); ++k) sum += layer.weight.data()[unit * in.size() + k] * in[k];
    return sum;
  };
  for (std::size_t b = 0; b < 4; ++b) {
    std::vector<double> gate(3);
    for (std::size_t j = 0; j < 3; ++j) {
      const double a = product(cell.forget, j, {x(b, 0), x(b, 1), h(b, 0), h(b, 1), h(b, 2)});
      gate[j] = 1.0 / (1.0 + std::exp(-a));
    }
    for (std::size_t j = 0; j < 3; ++j) {
      const double n = std::tanh(product(
          cell.candidate, j, {x(b, 0), x(b, 1), gate[0] * h(b, 0), gate[1] * h(b, 1), gate[2] * h(b, 2)}));
      CHECK(next.value()(b, j) == Approx((1.0 - gate[j]) * h(b, j) + gate[j] * n).epsilon(1e-12));
    }
  }
}

TEST_CASE("a user's cell has right gradients, first and second, of a step and through time") {
  Rng rng(5);
  const Recurrent<MinimalGatedUnit<double>> layer({.input = 3, .hidden = 4}, rng);
  const auto& cell = layer.cells()[0];
  const auto inputs = step_inputs(cell, 3, rng);
  REQUIRE(inputs.size() == 6);
  CHECK(inputs[0].shape() == Shape{3, 3});
  CHECK(inputs[1].shape() == Shape{3, 4});
  const bool same_weight = inputs[2] == cell.forget.weight.value();
  CHECK(same_weight);
  const std::vector<Var<double>> given(inputs.begin(), inputs.end());
  const bool same_step = step_function(cell)(given).value() == cell.step(given[0], given[1]).value();
  CHECK(same_step);
  const auto first = gradcheck(step_function(cell), inputs);
  const auto second = gradgradcheck(step_function(cell), inputs);
  INFO(first.message << "\n" << second.message);
  CHECK(first);
  CHECK(second);
  const auto sequence =
      verify(layer, random_normal<double>({5, 3, 3}, 0.0, 1.0, rng), {.lengths = {3, 5, 2}});
  INFO(sequence.message);
  CHECK(sequence);
}

TEST_CASE("the checks find a wrong gradient in a user's cell") {
  Rng rng(5);
  const Recurrent<WrongCell<double>> layer(CellSizes{.input = 3, .hidden = 4}, rng);
  CHECK_FALSE(verify(layer, random_normal<double>({5, 3, 3}, 0.0, 1.0, rng)));
  const auto& cell = layer.cells()[0];
  const auto report = gradcheck(step_function(cell), step_inputs(cell, 3, rng));
  CHECK_FALSE(report);
  CHECK(report.input == 1);
}

TEST_CASE("a user's cell gets stacking, both directions, ragged batches and conversion from the layer") {
  Rng rng(9);
  const Recurrent<MinimalGatedUnit<float>> layer({.input = 2, .hidden = 3},
                                                 {.layers = 2, .bidirectional = true}, rng);
  const auto report = verify(layer, random_normal<float>({4, 3, 2}, 0.0, 1.0, rng), {.lengths = {2, 4, 0}});
  INFO(report.message);
  CHECK(report);
  CHECK(parameter_count(layer) == 2 * (2 * 3 * 5 + 2 * 3) + 2 * (2 * 3 * 9 + 2 * 3));
  CHECK(named_parameters(layer)[0].name == "forget_l0.weight");
}
