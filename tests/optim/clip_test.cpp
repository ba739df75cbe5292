#include <catch2/catch.hpp>
#include <cmath>
#include <limits>

#include "framework/errors.hpp"
#include "framework/random.hpp"
#include "optim/clip.hpp"
#include "tests/optim/gradients.hpp"

using namespace unroll;

TEST_CASE("clip_grad_norm scales all gradients by one factor and returns the norm before") {
  const Var<double> a = parameter(zeros<double>({2})), b = parameter(zeros<double>({1, 2}));
  Tape tape;
  set_gradient(tape, a, Tensor<double>{3.0, 0.0});
  set_gradient(tape, b, Tensor<double>{{0.0, -4.0}});
  CHECK(grad_norm<double>({a, b}) == 5.0);
  CHECK(clip_grad_norm<double>({a, b}, 2.0) == 5.0);
  CHECK(a.grad()(0) == Approx(3.0 * 2.0 / (5.0 + 1e-6)).epsilon(1e-15));
  CHECK(b.grad()(0, 1) == Approx(-4.0 * 2.0 / (5.0 + 1e-6)).epsilon(1e-15));
  CHECK(a.grad()(1) == 0.0);
  CHECK(clip_grad_norm<double>({a, b}, 2.0) == Approx(2.0).epsilon(1e-6));
}

TEST_CASE("clip_grad_norm leaves smaller gradients as they are") {
  const Var<float> p = parameter(zeros<float>({19}));
  Rng rng(8);
  const auto g = random_normal<float>({19}, 0.0, 1.0, rng);
  Tape tape;
  set_gradient(tape, p, g);
  double squares = 0.0;
  for (const float v : g) squares += static_cast<double>(v) * static_cast<double>(v);
  CHECK(clip_grad_norm<float>({p}, 100.0) == Approx(std::sqrt(squares)).epsilon(1e-14));
  CHECK(p.grad() == g);
}

TEST_CASE("clip_grad_norm counts a parameter once and skips those without a gradient") {
  const Var<double> a = parameter(zeros<double>({2})), unused = parameter(zeros<double>({2}));
  Tape tape;
  set_gradient(tape, a, Tensor<double>{3.0, 4.0});
  CHECK(clip_grad_norm<double>({a, unused, a}, 2.5) == 5.0);
  CHECK(a.grad()(0) == Approx(1.5).epsilon(1e-6));
  CHECK_FALSE(unused.has_grad());
}

TEST_CASE("clipping a gradient that two parameters were given together scales each once") {
  const Var<double> a = parameter(zeros<double>({2})), b = parameter(zeros<double>({2}));
  Tape tape;
  tape.backward(a + b, Var<double>(Tensor<double>{3.0, 4.0}));
  clip_grad_norm<double>({a, b}, std::sqrt(50.0) / 2.0);
  CHECK(a.grad()(0) == Approx(1.5).epsilon(1e-6));
  CHECK(b.grad()(1) == Approx(2.0).epsilon(1e-6));
}

TEST_CASE("clip_grad_norm names the parameter whose gradient is not finite") {
  const double inf = std::numeric_limits<double>::infinity();
  for (const double bad : {inf, -inf, std::numeric_limits<double>::quiet_NaN()}) {
    const Var<double> a = parameter(zeros<double>({2}), "head.weight"),
                      b = parameter(zeros<double>({9}), "head.bias");
    Tape tape;
    set_gradient(tape, a, Tensor<double>{3.0, 4.0});
    Tensor<double> g = ones<double>({9});
    g(8) = bad;
    set_gradient(tape, b, g);
    CHECK_THROWS_AS(clip_grad_norm<double>({a, b}, 1.0), NonfiniteError);
    CHECK_THROWS_WITH(clip_grad_norm<double>({a, b}, 1.0),
                      Catch::Contains("[clip_grad_norm]") && Catch::Contains("'head.bias'"));
    CHECK(a.grad()(0) == 3.0);
  }
}

TEST_CASE("clip_grad_value moves every element into the interval") {
  const Var<double> p = parameter(zeros<double>({5}));
  Tape tape;
  set_gradient(tape, p, Tensor<double>{-3.0, -0.5, 0.25, 0.5, 1e9});
  clip_grad_value<double>({p}, 0.5);
  CHECK(p.grad() == Tensor<double>{-0.5, -0.5, 0.25, 0.5, 0.5});
}

TEST_CASE("clip_grad_value keeps NaN") {
  const Var<double> p = parameter(zeros<double>({2}));
  Tape tape;
  set_gradient(tape, p, Tensor<double>{std::numeric_limits<double>::quiet_NaN(), 2.0});
  clip_grad_value<double>({p}, 0.5);
  CHECK(std::isnan(p.grad()(0)));
  CHECK(p.grad()(1) == 0.5);
}

TEST_CASE("clipping refuses limits and lists that make no sense") {
  const Var<double> p = parameter(zeros<double>({2}));
  Tape tape;
  CHECK_THROWS_WITH(clip_grad_norm<double>({p}, 1.0),
                    Catch::Contains("none for any of 1") && Catch::Contains("tape's scope"));
  CHECK_THROWS_AS(clip_grad_value<double>({p}, 1.0), TapeError);
  set_gradient(tape, p, Tensor<double>{3.0, 4.0});
  for (const double bad : {0.0, -1.0, std::numeric_limits<double>::quiet_NaN()}) {
    CHECK_THROWS_AS(clip_grad_norm<double>({p}, bad), ArgumentError);
    CHECK_THROWS_AS(clip_grad_value<double>({p}, bad), ArgumentError);
  }
  CHECK_THROWS_AS(clip_grad_norm<double>({Var<double>(zeros<double>({2}))}, 1.0), ArgumentError);
}
