// What verify() says: what it has compared, and where a function has a kink.
#include <catch2/catch.hpp>
#include <cmath>

#include "framework/errors.hpp"
#include "layers/layers.hpp"

using namespace unroll;
using Catch::Contains;

namespace {

struct KinkOptions {
  Index input = 0, hidden = 0;
  bool wrong = false;  // a quarter of the derivative
};

// h' = W x + b + h / 2 + relu(shift), whose shift begins as 0, on the kink.
template <class S>
struct KinkedCell {
  KinkOptions options;
  Linear<S> in;
  Var<S> shift;
  KinkedCell() = default;
  KinkedCell(KinkOptions n, Rng& rng)
      : options(n),
        in(n.input, n.hidden, rng),
        shift(parameter(zeros<S>({static_cast<std::size_t>(n.hidden)}))) {}
  Var<S> step(const Var<S>& x, const Var<S>& h) const {
    const Var<S> bent = relu(shift);
    Var<S> taken = bent;
    if (options.wrong) {
      taken =
          record("wrong relu", Var<S>(bent.value()), input(shift, [](const Var<S>& g) { return g * 0.25; }));
    }
    return in(x) + h * 0.5 + taken;
  }
  static void each(auto& self, auto&& visit) {
    visit("options", self.options);
    visit("in", self.in);
    visit("shift", self.shift);
  }
};

}  // namespace

TEST_CASE("verify says which paths it has compared") {
  Rng rng(1);
  const Tensor<double> x = random_normal<double>({3, 2, 2}, 0.0, 1.0, rng);
  const auto kernel = verify(Gru<double>({.input = 2, .hidden = 3}, rng), x);
  CHECK(kernel);
  CHECK(kernel.with_kernel);
  CHECK_THAT(
      kernel.message,
      Contains("[verify] Gru agrees (kernel, compiled step, tape and central differences): worst is "));
  const auto compiled = verify(Gru<double>({.input = 2, .hidden = 3}, {.zoneout_hidden = 0.1}, rng), x);
  CHECK(compiled);
  CHECK_FALSE(compiled.with_kernel);
  CHECK(compiled.with_program);
  CHECK_THAT(compiled.message,
             Contains("agrees (compiled step, tape and central differences; no kernel: zoneout_hidden)"));
  const Activation reads("reads", [](const auto& v) {
    v.value();
    return tanh(v);
  });
  const auto plain = verify(Gru<double>({.input = 2, .hidden = 3, .activation = reads}, rng), x);
  CHECK(plain);
  CHECK_FALSE(plain.with_program);
  CHECK_THAT(plain.message, Contains("agrees (tape and central differences; no kernel: activation; not "
                                     "compiled: step() reads or changes a value, or has a hook)"));
}

TEST_CASE("verify compares a derivative at a kink at a nearby point") {
  Rng rng(2);
  const Tensor<double> x = random_normal<double>({3, 2, 2}, 0.0, 1.0, rng);
  // Layer norm over one number is 0 whatever it is of, and elu(0.7) has its kink there.
  for (const bool out : {false, true}) {
    LstmOptions options{.input = 2, .hidden = 1, .layer_norm = true};
    (out ? options.output_activation : options.activation) = Activation::elu(0.7);
    const auto report = verify(Lstm<double>(options, rng), x);
    INFO(report.message);
    CHECK(report);
    if (out) CHECK_THAT(report.message, Contains("at a kink, compared nearby"));
  }
  const auto sound = verify(Recurrent<KinkedCell<double>>({.input = 2, .hidden = 3}, rng), x);
  INFO(sound.message);
  CHECK(sound);
  CHECK_THAT(sound.message, Contains("3 derivatives at a kink, compared nearby"));
}

TEST_CASE("a kink hides no mistake") {
  Rng rng(3);
  const Tensor<double> x = random_normal<double>({3, 2, 2}, 0.0, 1.0, rng);
  const auto wrong = verify(Recurrent<KinkedCell<double>>({.input = 2, .hidden = 3, .wrong = true}, rng), x);
  INFO(wrong.message);
  CHECK_FALSE(wrong);
  CHECK_THAT(wrong.message, Contains("DISAGREES") && Contains("near a kink, gradient of shift_l0"));
}

TEST_CASE("verify refuses options out of range") {
  Rng rng(4);
  const Gru<double> gru({.input = 2, .hidden = 3}, rng);
  const Tensor<double> x = ones<double>({3, 2, 2});
  CHECK_THROWS_WITH(verify(gru, x, {.step = 0.0}), "[verify] step: expected a finite number > 0, got 0");
  CHECK_THROWS_AS(verify(gru, x, {.numeric_tolerance = std::nan("")}), ArgumentError);
  CHECK_THROWS_AS(verify(gru, x, {.lengths = {1}}), ShapeError);
}
