#include "framework/gradcheck.hpp"

#include <catch2/catch.hpp>

#include "framework/ops.hpp"
#include "framework/random.hpp"

using namespace unroll;
using Catch::Matchers::Contains;
using Vars = std::vector<Var<double>>;
using Tensors = std::vector<Tensor<double>>;

namespace {

const Tensors kInputs{{{0.5, -1.2, 2.0}, {0.3, 0.9, -0.7}}, {1.5, -0.4, 0.8}};

// x^2 with a slope that is right where x < bad_from and twice that elsewhere.
Var<double> broken_square(const Var<double>& x, double bad_from) {
  Var<double> y(Tensor<double>(x.value() * x.value()));
  return record("broken_square", y, input(x, [x, bad_from](const Var<double>& g) {
                  Tensor<double> slope = x.value() * 2.0;
                  for (double& s : slope) s *= s >= 2.0 * bad_from ? 2.0 : 1.0;
                  return g * Var<double>(slope);
                }));
}

}  // namespace

TEST_CASE("gradcheck accepts right gradients and says how well they agree") {
  const GradcheckReport report = gradcheck([](const Vars& v) { return tanh(v[0] * v[1]); }, kInputs);
  CHECK(report);
  CHECK(report.worst_error < 1e-8);
  CHECK_THAT(report.message, Contains("[gradcheck] 9 elements agree"));
  CHECK(gradcheck([](const Vars& v) { return Vars{v[0] * 2.0, exp(v[1]), v[1]}; }, kInputs));
  CHECK(gradgradcheck([](const Vars& v) { return Vars{v[0] * 2.0, exp(v[1]), v[1]}; }, kInputs));
  CHECK(gradcheck([](const Vars& v) { return sum(v[0]); }, kInputs));  // the second input is not used
  CHECK(gradcheck([](const Vars& v) { return sum(v[0]); }, {zeros<double>({0, 2})}));
}

TEST_CASE("gradcheck names the input and element of the worst gradient") {
  const GradcheckReport report = gradcheck([](const Vars& v) { return v[1] * broken_square(v[0], 1.9); },
                                           {{{0.5, -1.2, 1.0}, {0.3, 2.0, -0.7}}, Tensor<double>(1.0)});
  CHECK_FALSE(report);
  CHECK(report.input == 0);
  CHECK(report.position == Shape{1, 1});
  CHECK(std::abs(report.analytic / report.numeric - 2.0) < 1e-6);
  CHECK(std::abs(report.worst_error - std::abs(report.analytic - report.numeric)) < 1e-12);
  CHECK_THAT(report.message,
             Contains("[gradcheck] 1 of 7 elements disagree") && Contains("input 0 at (1,1) of shape (2,3)"));
}

TEST_CASE("gradcheck finds a broken first derivative, gradgradcheck a broken second one") {
  // exp with a slope that is a constant for the tape: right once, wrong twice.
  const auto f = [](const Vars& v) {
    Var<double> y(Tensor<double>(xt::exp(v[0].value())));
    return record("exp_once", y, input(v[0], [y](const Var<double>& g) { return g * y.detach(); }));
  };
  CHECK(gradcheck(f, {{0.5, -1.2}}));
  const GradcheckReport second = gradgradcheck(f, {{0.5, -1.2}});
  CHECK_FALSE(second);
  CHECK(second.input == 0);
  CHECK_THAT(second.message, Contains("[gradgradcheck]") && Contains("input 0"));
  // A rule that is not linear in its upstream gradient.
  const auto g = [](const Vars& v) {
    Var<double> y(v[0].value());
    return record("squares_upstream", y, input(v[0], [](const Var<double>& u) { return u * u.detach(); }));
  };
  const GradcheckReport upstream = gradgradcheck(g, {{0.5, -1.2}});
  CHECK_FALSE(upstream);
  CHECK_THAT(upstream.message, Contains("upstream 0"));
}

TEST_CASE("gradcheck reports NaN, and functions that answer differently each time") {
  const GradcheckReport nan = gradcheck([](const Vars& v) { return sqrt(v[0]); }, {{1.0, -1.0}});
  CHECK_FALSE(nan);
  CHECK(nan.position == Shape{1});
  Rng rng(1);
  const GradcheckReport random =
      gradcheck([&](const Vars& v) { return dropout(v[0], 0.5, rng); }, {ones<double>({50})});
  CHECK_FALSE(random);
  CHECK_THAT(random.message, Contains("same outputs"));
}

TEST_CASE("gradcheck follows its tolerances and its seed") {
  const auto f = [](const Vars& v) {
    Var<double> y(Tensor<double>(v[0].value() * 3.0));
    return record("roughly", y, input(v[0], [](const Var<double>& g) { return g * 3.001; }));
  };
  CHECK_FALSE(gradcheck(f, kInputs));
  CHECK(gradcheck(f, kInputs, {.rtol = 1e-3}));
  CHECK(gradcheck(f, kInputs, {.atol = 1e-2}));
  const auto identity = [](const Vars& v) { return v[0] * 1.0; };
  const double first = gradcheck(identity, kInputs).numeric;
  CHECK(gradcheck(identity, kInputs).numeric == first);
  CHECK(gradcheck(identity, kInputs, {.seed = 2}).numeric != first);
}
