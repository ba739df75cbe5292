// gradients(), hooks and rules: what a backward pass computes and what it leaves alone.
#include <catch2/catch.hpp>
#include <memory>
#include <thread>

#include "framework/errors.hpp"
#include "framework/gradcheck.hpp"
#include "framework/ops.hpp"

using namespace unroll;
using Catch::Matchers::Contains;

namespace {

Var<double> ones_like(const Var<double>& x) { return Var<double>(ones<double>(x.shape())); }

// x, with a gradient rule that counts how often it runs.
Var<double> counted(const Var<double>& x, const std::shared_ptr<int>& calls) {
  Var<double> y(x.value());
  return record("counted", y, input(x, [calls](const Var<double>& g) {
                  ++*calls;
                  return g;
                }));
}

}  // namespace

TEST_CASE("gradients() serves parameters, intermediate values and inputs that are not connected") {
  const Var<double> w = parameter(Tensor<double>{2.0, -1.0}),
                    other = parameter(Tensor<double>{{1.0, 2.0, 3.0}, {4.0, 5.0, 6.0}});
  Tape tape;
  const Var<double> y = w * w;
  const Var<double> z = y * y + w;
  const auto g = gradients<double>({sum(z)}, {w, y, other, z, w, Var<double>(Tensor<double>{5.0})});
  REQUIRE(g.size() == 6);
  CHECK(g[0].value() == Tensor<double>{33.0, -3.0});
  CHECK(g[1].value() == Tensor<double>{8.0, 2.0});
  CHECK(g[2].value() == zeros<double>({2, 3}));
  CHECK(g[3].value() == Tensor<double>{1.0, 1.0});
  CHECK(g[4].value() == g[0].value());
  CHECK(g[5].value()(0) == 0.0);
  CHECK_FALSE(w.has_grad());

  // Several outputs, one of them an input itself, one a constant.
  const auto h = gradients<double>({y, w, Var<double>(Tensor<double>{1.0})}, {w},
                                   {ones_like(y), ones_like(w) * 10.0, Var<double>(Tensor<double>{1.0})});
  CHECK(h[0].value() == Tensor<double>{14.0, 8.0});
}

TEST_CASE("gradients() refuses what it cannot do") {
  const Var<double> w = parameter(Tensor<double>{2.0, -1.0});
  CHECK_THROWS_AS(gradients<double>({w}, {w}, {ones_like(w)}), TapeError);
  Tape tape;
  const Var<double> y = w * w;
  CHECK_THROWS_AS(gradients<double>({y}, {w}), TapeError);
  CHECK_THROWS_AS(gradients<double>({y}, {w}, {Var<double>(ones<double>({3}))}), ShapeError);
  CHECK_THROWS_AS(gradients<double>({y}, {w}, {ones_like(y), ones_like(y)}), ShapeError);
  CHECK_THROWS_AS(gradients<double>({y}, {Var<double>()}, {ones_like(y)}), TapeError);
}

TEST_CASE("create_graph differentiates three times") {
  const Var<double> x = parameter(Tensor<double>{2.0, -3.0});
  Tape tape;
  const Var<double> y = sum(square(x) * square(x));
  const Var<double> first = gradients<double>({y}, {x}, {}, true)[0];
  const Var<double> second = gradients<double>({sum(first)}, {x}, {}, true)[0];
  const Var<double> third = gradients<double>({sum(second)}, {x})[0];
  CHECK(first.value() == Tensor<double>{32.0, -108.0});
  CHECK(second.value() == Tensor<double>{48.0, 108.0});
  CHECK(third.value() == Tensor<double>{48.0, -72.0});
  CHECK_FALSE(third.requires_grad());
  // A penalty on the gradient, through backward().
  tape.backward(sum(square(first)));
  CHECK(x.grad() == Tensor<double>{2.0 * 32.0 * 48.0, 2.0 * -108.0 * 108.0});
}

TEST_CASE("hooks see complete gradients and may replace them") {
  Var<double> w = parameter(Tensor<double>{2.0, 3.0});
  int leaf_calls = 0;
  w.register_hook([&](const Var<double>& g) {
    ++leaf_calls;
    CHECK(g.value() == Tensor<double>{80.0, 120.0});
    return Var<double>();  // keeps it
  });
  {
    Tape tape;
    Var<double> y = w * w;
    y.register_hook([](const Var<double>& g) {
      CHECK(g.value() == Tensor<double>{2.0, 2.0});  // both uses of y
      return g * 10.0;
    });
    y.register_hook([](const Var<double>& g) {
      CHECK(g.value() == Tensor<double>{20.0, 20.0});
      return Var<double>();
    });
    tape.backward(sum(y + y));
    CHECK(w.grad() == Tensor<double>{80.0, 120.0});
    CHECK(leaf_calls == 1);
    // gradients() computes the same.
    CHECK(gradients<double>({sum(y + y)}, {w})[0].value() == Tensor<double>{80.0, 120.0});
    CHECK(leaf_calls == 2);
  }
  // On a parameter a hook stays.
  Var<double> v = parameter(Tensor<double>{1.0});
  v.register_hook([](const Var<double>& g) { return g * 0.5; });
  for (int i = 0; i < 2; ++i) {
    Tape tape;
    tape.backward(v * 8.0);
    CHECK(v.grad()(0) == 4.0);
    CHECK(gradients<double>({v * 8.0}, {v})[0].item() == 4.0);
  }
}

TEST_CASE("a hook that cannot work is refused, and one that throws leaves the tape usable") {
  Var<double> constant(Tensor<double>{1.0});
  const auto keep = [](const Var<double>&) { return Var<double>(); };
  CHECK_THROWS_AS(constant.register_hook(keep), TapeError);
  const Var<double> w = parameter(Tensor<double>{2.0, 3.0});
  Tape tape;
  CHECK_THROWS_AS(constant.register_hook(keep), TapeError);
  bool fail = true;
  Var<double> y = w * w;
  y.register_hook([&](const Var<double>&) {
    if (fail) throw std::runtime_error("from the hook");
    return Var<double>();
  });
  CHECK_THROWS_WITH(tape.backward(sum(y)), "from the hook");
  fail = false;
  tape.backward(sum(y));
  CHECK(w.grad() == Tensor<double>{4.0, 6.0});
  Var<double> z = w * 1.0;
  z.register_hook([](const Var<double>&) { return Var<double>(ones<double>({3})); });
  CHECK_THROWS_AS(tape.backward(sum(z)), ShapeError);
}

TEST_CASE("gradients that nobody needs are never computed") {
  const auto calls = std::make_shared<int>(0);
  const Var<double> a = parameter(Tensor<double>{2.0}), b = parameter(Tensor<double>{3.0});
  Tape tape;
  const Var<double> y = counted(a, calls) * b;
  gradients<double>({y}, {b});
  CHECK(*calls == 0);
  gradients<double>({y}, {a});
  CHECK(*calls == 1);
  tape.backward(y);
  CHECK(*calls == 2);
  // A constant's rule is dropped when the op is recorded, with what it holds.
  const auto dropped = std::make_shared<int>(0);
  const Var<double> z = counted(Var<double>(Tensor<double>{1.0}), dropped) * b;
  CHECK(dropped.use_count() == 1);
  tape.backward(z);
  CHECK(*dropped == 0);
  CHECK(b.grad()(0) == 2.0 + 1.0);
}

TEST_CASE("what the rules hold is let go with the tape") {
  const auto calls = std::make_shared<int>(0);
  const Var<double> a = parameter(Tensor<double>{2.0});
  {
    Tape tape;
    const Var<double> y = counted(a, calls);
    CHECK(calls.use_count() == 2);
  }
  CHECK(calls.use_count() == 1);
  Tape tape;
  const Var<double> y = counted(a, calls);
  tape.release();
  CHECK(calls.use_count() == 1);
}

namespace {

// What the tape's documentation calls the whole of a user's op.
template <class S>
Var<S> cube(const Var<S>& x) {
  Var<S> y(Tensor<S>(xt::pow<3>(x.value())));
  return record("cube", y, input(x, [x](const Var<S>& g) { return g * 3.0 * x * x; }));
}

}  // namespace

TEST_CASE("a user's own op is a few lines and has every derivative") {
  const auto f = [](const std::vector<Var<double>>& v) { return cube(v[0]) * v[1]; };
  const std::vector<Tensor<double>> inputs{{{0.5, -1.2, 2.0}, {0.3, 0.9, -0.7}}, {1.5, -0.4, 0.8}};
  const GradcheckReport first = gradcheck(f, inputs), second = gradgradcheck(f, inputs);
  INFO(first.message << "\n" << second.message);
  CHECK(first);
  CHECK(second);
}

TEST_CASE("a rule that returns a gradient of the wrong shape is found") {
  const Var<double> b = parameter(Tensor<double>{1.0, 2.0}, "net.bias");
  const auto add_rows = [](const Var<double>& x, const Var<double>& bias) {
    Var<double> y(Tensor<double>(x.value() + bias.value()));
    return record("add_rows", y, input(bias, [](const Var<double>& g) { return g; }));  // lacks sum_to
  };
  const Var<double> x(ones<double>({3, 2}));
  Tape tape;
  CHECK_THROWS_AS(tape.backward(sum(add_rows(x, b))), ShapeError);
  CHECK_THROWS_WITH(tape.backward(sum(add_rows(x, b))),
                    Contains("net.bias") && Contains("(3,2)") && Contains("(2)"));
  CHECK_THROWS_AS(gradients<double>({sum(add_rows(x, b))}, {b}), ShapeError);
  const Var<double> half = b * 0.5;
  CHECK_THROWS_WITH(tape.backward(sum(add_rows(x, half)) + sum(half)),
                    Contains("[mul] gradient: expected shape"));
}

TEST_CASE("an optional input that was not given is a constant") {
  const Var<double> x = parameter(Tensor<double>{2.0});
  const Var<double> none;
  Tape tape;
  Var<double> y(x.value());
  y = record("optional", y, input(x, [](const Var<double>& g) { return g; }),
             input(none, [](const Var<double>& g) { return g; }));
  tape.backward(y);
  CHECK(x.grad()(0) == 1.0);
}
