// A parameter that was replaced in the model after the optimizer was made.
#include <catch2/catch.hpp>

#include "framework/errors.hpp"
#include "layers/layers.hpp"
#include "optim/optim.hpp"

using namespace unroll;
using Catch::Contains;

namespace {

struct Model {
  Linear<double> first, second;
  using Scalar = double;
  explicit Model(Rng& rng) : first(2, 3, rng), second(3, 1, rng) {}
  Var<double> operator()(const Var<double>& x) const { return mean(second(first(x))); }
  static void each(auto& self, auto&& visit) {
    visit("first", self.first);
    visit("second", self.second);
  }
};

void step(const Model& model, Optimizer<double>& optimizer) {
  Tape tape;
  tape.backward(model(Var<double>(ones<double>({4, 2}))));
  optimizer.step();
}

}  // namespace

TEST_CASE("step() notices a parameter that was replaced in the model, and changes nothing") {
  Rng rng(1);
  Model model(rng);
  Adam<double> adam(parameters(model));
  step(model, adam);
  model.second.weight = parameter(ones<double>({1, 3}), "second.weight");
  const Tensor<double> before = model.first.weight.value();
  CHECK_THROWS_WITH(step(model, adam),
                    Contains("[Adam.step] parameter 'second.weight': expected a parameter of the model") &&
                        Contains("make a new optimizer"));
  CHECK(model.first.weight.value() == before);
  CHECK(adam.step_count() == 1);
  Adam<double> again(parameters(model));
  CHECK_NOTHROW(step(model, again));

  Model other(rng);
  Sgd<double> sgd(parameters(other));
  other.first = Linear<double>(2, 3, rng);  // a whole layer
  CHECK_THROWS_AS(step(other, sgd), ArgumentError);
}

TEST_CASE("a parameter without a gradient that the model holds is none that was replaced") {
  Rng rng(2);
  const Model model(rng);
  const Linear<double> aside(2, 3, rng);  // takes no part in the loss
  Sgd<double> sgd(parameters(model, aside), {.lr = 0.1});
  CHECK_NOTHROW(step(model, sgd));
  CHECK_NOTHROW(step(model, sgd));
}

TEST_CASE("an optimizer may be the only one that holds what it trains") {
  Sgd<double> sgd({parameter(ones<double>({2}), "w")}, {.lr = 0.5});
  for (int k = 0; k < 2; ++k) {
    Tape tape;
    tape.backward(sum(sgd.parameters()[0]));
    CHECK_NOTHROW(sgd.step());
  }
  CHECK(sgd.parameters()[0].value()(0) == 0.0);
}
