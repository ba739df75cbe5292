#include "framework/anomaly.hpp"

#include <catch2/catch.hpp>
#include <limits>
#include <thread>

#include "framework/errors.hpp"
#include "framework/ops.hpp"

using namespace unroll;
using Catch::Matchers::Contains;

namespace {
constexpr double kInfinity = std::numeric_limits<double>::infinity();
}

TEST_CASE("without DetectNonfinite NaN and infinity pass silently") {
  CHECK_FALSE(DetectNonfinite::active());
  const Var<double> w = parameter(Tensor<double>{0.0});
  Tape tape;
  CHECK_NOTHROW(tape.backward(log(w)));
  CHECK(w.grad()(0) == kInfinity);
}

TEST_CASE("DetectNonfinite names the op, element, layer and time step of a forward infinity") {
  const DetectNonfinite detect;
  const Var<float> x(Tensor<float>{{1.0F, 2.0F, 3.0F}, {4.0F, 0.0F, 5.0F}});
  LayerScope outer("Encoder", "encoder.weight");
  LayerScope layer("Lstm", "encoder.lstm.weight_ih_l0");
  layer.set_step(7);
  CHECK_NOTHROW(exp(x));
  CHECK_THROWS_AS(log(x), NonfiniteError);
  CHECK_THROWS_WITH(log(x), Contains("[log] forward") && Contains("-infinity at (1,1) of shape (2,3)") &&
                                Contains("layer 'encoder' (Encoder)") &&
                                Contains("layer 'encoder.lstm' (Lstm), time step 7") &&
                                Contains("from finite inputs"));
  CHECK(LayerScope::describe() == "layer 'encoder' (Encoder) / layer 'encoder.lstm' (Lstm), time step 7");
}

TEST_CASE("DetectNonfinite blames a parameter that already is not finite") {
  const DetectNonfinite detect;
  const Var<double> w =
      parameter(Tensor<double>{1.0, std::numeric_limits<double>::quiet_NaN()}, "head.weight");
  const Var<double> x(Tensor<double>{2.0, 3.0});
  CHECK_THROWS_WITH(
      x * w, Contains("[mul] forward: nan at (1)") && Contains("parameter 'head.weight' is not finite"));
  CHECK_THROWS_WITH(x * w.detach(), Contains("input 1 is already not finite"));
}

TEST_CASE("DetectNonfinite names the op, parameter, layer and time step of a backward infinity") {
  const DetectNonfinite detect;
  const Var<double> w = parameter(Tensor<double>{4.0, 0.0}, "rnn.cell.weight");
  Tape tape;
  Var<double> y;
  {
    LayerScope layer("Rnn", w.name());
    layer.set_step(2);
    y = sqrt(w);
  }
  // The message speaks of where the op was recorded, not of where backward() stands.
  CHECK_THROWS_AS(tape.backward(sum(y)), NonfiniteError);
  CHECK_THROWS_WITH(tape.backward(sum(y)),
                    Contains("[sqrt] backward") && Contains("of parameter 'rnn.cell.weight'") &&
                        Contains("+infinity at (1)") && Contains("layer 'rnn.cell' (Rnn), time step 2"));
  CHECK_FALSE(w.has_grad());
  CHECK(DetectNonfinite::active());
}

TEST_CASE("DetectNonfinite looks into ops with several outputs, forward and backward") {
  const DetectNonfinite detect;
  const Var<double> w = parameter(Tensor<double>{1.0, 2.0}, "w");
  Tape tape;
  const auto two = [&w](double second, double slope) {
    std::vector<Var<double>> y{Var<double>(w.value()), Var<double>(Tensor<double>(w.value() * second))};
    record_multi_output<double>(
        "two", y, {w}, [slope](const auto& g, const auto&) { return VarList<double>{g[0] * slope}; });
    return y;
  };
  CHECK_THROWS_WITH(two(kInfinity, 1.0), Contains("[two] forward: +infinity at (0)"));
  CHECK_NOTHROW(tape.backward(sum(two(1.0, 1.0)[0])));
  CHECK_THROWS_WITH(tape.backward(sum(two(1.0, kInfinity)[0])),
                    Contains("[two] backward: gradient of parameter 'w' is +infinity at (0)"));
}

TEST_CASE("DetectNonfinite and LayerScope end with their scope and belong to their thread") {
  {
    const DetectNonfinite detect;
    const LayerScope layer("Rnn");
    CHECK(DetectNonfinite::active());
    CHECK(LayerScope::describe() == "Rnn");
    bool active = true;
    std::string description = "unset";
    std::thread other([&] {
      active = DetectNonfinite::active();
      description = LayerScope::describe();
    });
    other.join();
    CHECK_FALSE(active);
    CHECK(description.empty());
  }
  CHECK_FALSE(DetectNonfinite::active());
  CHECK(LayerScope::describe().empty());
}
