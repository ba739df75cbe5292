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

TEST_CASE("norms of every kind, by hand") {
  const double inf = std::numeric_limits<double>::infinity();
  const Var<float> a = parameter(zeros<float>({2})), b = parameter(zeros<float>({9}));
  Tape tape;
  set_gradient(tape, a, Tensor<float>{3.0F, -4.0F});
  set_gradient(tape, b, full<float>({9}, -2.0F));
  CHECK(grad_norm<float>({a, b}, 1.0) == 25.0);
  CHECK(grad_norm<float>({a, b}, inf) == 4.0);
  CHECK(grad_norm<float>({b, a, b}, inf) == 4.0);
  CHECK(grad_norm<float>({a, b}) == Approx(std::sqrt(61.0)).epsilon(1e-15));
  CHECK(grad_norm<float>({a, b}, 3.0) == Approx(std::cbrt(27.0 + 64.0 + 72.0)).epsilon(1e-14));
  CHECK(clip_grad_norm<float>({a, b}, 1.0, {.norm_type = inf}) == 4.0);
  CHECK(a.grad()(1) == Approx(-1.0).epsilon(1e-6));
  CHECK(b.grad()(8) == Approx(-0.5).epsilon(1e-6));
}

TEST_CASE("every norm finds a gradient that is not finite, wherever it stands") {
  const double inf = std::numeric_limits<double>::infinity(), nan = std::numeric_limits<double>::quiet_NaN();
  for (const double p : {1.0, 2.0, 3.0, inf}) {
    for (const double bad : {-inf, nan}) {
      for (const std::size_t place : {0U, 4U, 8U}) {
        CAPTURE(p, bad, place);
        const Var<double> a = parameter(zeros<double>({9}), "head.bias"), b = parameter(zeros<double>({1}));
        Tape tape;
        Tensor<double> g = full<double>({9}, 2.0);
        g(place) = bad;
        set_gradient(tape, a, g);
        set_gradient(tape, b, Tensor<double>{1e3});
        CHECK_THROWS_AS(grad_norm<double>({a, b}, p), NonfiniteError);
        CHECK_THROWS_WITH(clip_grad_norm<double>({b, a}, 1.0, {.norm_type = p}),
                          Catch::Contains("parameter 1, 'head.bias'"));
        CHECK(b.grad()(0) == 1e3);
        // as PyTorch does by default: the norm, and gradients scaled by it all the same
        const double norm =
            clip_grad_norm<double>({a, b}, 1.0, {.norm_type = p, .error_if_nonfinite = false});
        if (std::isnan(bad)) {
          CHECK(std::isnan(norm));
          CHECK(std::isnan(b.grad()(0)));
        } else {
          CHECK(norm == inf);
          CHECK(b.grad()(0) == 0.0);
        }
        CHECK(std::isnan(a.grad()(place)));
      }
    }
  }
}

TEST_CASE("a norm of another kind than p > 0 is refused") {
  const Var<double> p = parameter(zeros<double>({2}));
  Tape tape;
  set_gradient(tape, p, Tensor<double>{3.0, 4.0});
  for (const double bad :
       {0.0, -1.0, -std::numeric_limits<double>::infinity(), std::numeric_limits<double>::quiet_NaN()}) {
    CHECK_THROWS_AS(grad_norm<double>({p}, bad), ArgumentError);
    CHECK_THROWS_WITH(clip_grad_norm<double>({p}, 1.0, {.norm_type = bad}),
                      Catch::Contains("[clip_grad_norm] norm_type: expected a number > 0 or infinity"));
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
