#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <numbers>
#include <random>

#include "ops_table.hpp"

namespace unroll::test {
namespace {

using Real = long double;

// Units in the last place of want (of the smallest normal number at least) by which got is off.
template <class S>
double ulps(S got, Real want) {
  const auto rounded = static_cast<S>(want);
  if (!std::isfinite(rounded)) return got == rounded ? 0.0 : kInf;
  if (!std::isfinite(got)) return kInf;
  const Real size = std::max<Real>(std::fabs(want), std::numeric_limits<S>::min());
  const Real ulp = std::ldexp(Real{1}, std::ilogb(size) + 1 - std::numeric_limits<S>::digits);
  return static_cast<double>(std::fabs(static_cast<Real>(got) - want) / ulp);
}

struct Interval {
  double low, high;
};

struct Worst {
  double ulps = 0.0, at = 0.0;
};

template <class S>
Tensor<S> apply(const Op& op, const Tensor<S>& x) {
  if constexpr (std::is_same_v<S, float>) {
    return op.in_float({Var<float>(x)})[0].value();
  } else {
    return op.in_double({Var<double>(x)})[0].value();
  }
}

template <class S>
Worst worst_error(const Op& op, Real (*reference)(Real), const Interval& range) {
  constexpr std::size_t kPoints = 20011;
  std::mt19937_64 random(11);
  std::uniform_real_distribution<double> uniform(range.low, range.high), exponent(-30.0, 0.0);
  Worst worst;
  // Evenly over the range, then towards 0 evenly over the exponents.
  for (bool towards_zero : {false, true}) {
    Tensor<S> x = empty<S>({kPoints});
    for (S& v : x) {
      const double even = uniform(random);
      const double small = even * std::exp2(exponent(random));
      v = static_cast<S>(towards_zero && small >= range.low && small <= range.high ? small : even);
    }
    const Tensor<S> y = apply(op, x);
    for (std::size_t i = 0; i < kPoints; ++i) {
      const double error = ulps(y(i), reference(static_cast<Real>(x(i))));
      if (error > worst.ulps) worst = {error, static_cast<double>(x(i))};
    }
  }
  return worst;
}

Real sigmoid_of(Real x) { return 1 / (1 + std::exp(-x)); }
Real normal_cdf_of(Real x) { return std::erfc(-x / std::numbers::sqrt2_v<Real>) / 2; }
Real softplus_of(Real x) { return std::max<Real>(x, 0) + std::log1p(std::exp(-std::fabs(x))); }

// Bounds in units in the last place, measured with the vector functions of xsimd 8.1 and rounded up;
// simd_accuracy_test.cpp has exp, tanh and sigmoid over the whole range. In the tails of the normal
// distribution the rounding of x / sqrt(2) counts x^2 times.
struct Accuracy {
  const char* name;
  Op op;
  Real (*reference)(Real);
  Interval in_float, in_double;
  double float_bound, double_bound;
};

std::vector<Accuracy> accuracies() {
  const Op exponential = op([](const auto& v) { return exp(v[0]); });
  const Op logarithm = op([](const auto& v) { return log(v[0]); });
  const Op root = op([](const auto& v) { return sqrt(v[0]); });
  const Op hyperbolic = op([](const auto& v) { return tanh(v[0]); });
  const Op logistic = op([](const auto& v) { return sigmoid(v[0]); });
  const Op sine = op([](const auto& v) { return sin(v[0]); });
  const Op cosine = op([](const auto& v) { return cos(v[0]); });
  const Op cdf = op([](const auto& v) { return normal_cdf(v[0]); });
  const Op gaussian_unit = op([](const auto& v) { return gelu(v[0]); });
  const Op soft = op([](const auto& v) { return softplus(v[0]); });
  const Op exponential_unit = op([](const auto& v) { return elu(v[0]); });
  const auto exp_of = [](Real x) { return std::exp(x); };
  const auto log_of = [](Real x) { return std::log(x); };
  const auto sin_of = [](Real x) { return std::sin(x); };
  const auto cos_of = [](Real x) { return std::cos(x); };
  const auto tanh_of = [](Real x) { return std::tanh(x); };
  const auto elu_of = [](Real x) { return x > 0 ? x : std::expm1(x); };
  const auto gelu_of = [](Real x) { return x * normal_cdf_of(x); };
  return {
      {"exp", exponential, exp_of, {-87.3, 88.72}, {-708.3, 709.78}, 1.05, 1.05},
      {"exp near 0", exponential, exp_of, {-1, 1}, {-1, 1}, 2.5, 2.5},
      {"log", logarithm, log_of, {1e-37, 3e38}, {1e-307, 1e308}, 2.5, 2.5},
      {"log near 1", logarithm, log_of, {0.5, 2}, {0.5, 2}, 2.5, 2.5},
      {"log of small", logarithm, log_of, {1e-37, 1e-30}, {1e-300, 1e-290}, 2.5, 2.5},
      {"log of subnormal", logarithm, log_of, {1e-45, 1e-38}, {5e-324, 2e-308}, 2.5, 2.5},
      {"sqrt", root, [](Real x) { return std::sqrt(x); }, {0, 1e30}, {0, 1e300}, 0.51, 0.51},
      {"tanh", hyperbolic, tanh_of, {-20, 20}, {-30, 30}, 2.5, 2.5},
      {"tanh near 0", hyperbolic, tanh_of, {-1, 1}, {-1, 1}, 2.5, 2.5},
      {"sigmoid", logistic, sigmoid_of, {-87, 87}, {-700, 700}, 2.5, 2.5},
      {"sigmoid near 0", logistic, sigmoid_of, {-5, 5}, {-5, 5}, 2.5, 2.5},
      {"sin", sine, sin_of, {-3.2, 3.2}, {-3.2, 3.2}, 2.5, 2.5},
      {"sin of large", sine, sin_of, {-1000, 1000}, {-1000, 1000}, 2.5, 2.5},
      {"sin of huge", sine, sin_of, {-1e6, 1e6}, {-1e9, 1e9}, 2.5, 2.5},
      {"cos", cosine, cos_of, {-3.2, 3.2}, {-3.2, 3.2}, 2.5, 2.5},
      {"cos of large", cosine, cos_of, {-1000, 1000}, {-1000, 1000}, 2.5, 2.5},
      {"cos of huge", cosine, cos_of, {-1e6, 1e6}, {-1e9, 1e9}, 2.5, 2.5},
      {"normal_cdf", cdf, normal_cdf_of, {-5, 8}, {-8, 10}, 40, 120},
      {"normal_cdf, far tail", cdf, normal_cdf_of, {-13, -5}, {-37, -8}, 300, 2500},
      {"gelu", gaussian_unit, gelu_of, {-5, 8}, {-8, 10}, 40, 120},
      {"softplus", soft, softplus_of, {-80, 80}, {-700, 700}, 2.5, 2.5},
      {"softplus near 0", soft, softplus_of, {-5, 5}, {-5, 5}, 2.5, 2.5},
      {"elu", exponential_unit, elu_of, {-20, 20}, {-40, 40}, 2.5, 2.5},
      {"elu near 0", exponential_unit, elu_of, {-1, 1}, {-1, 1}, 2.5, 2.5},
  };
}

}  // namespace

TEST_CASE("element-wise functions are accurate to a few units in the last place") {
  for (const Accuracy& a : accuracies()) {
    const Worst in_float = worst_error<float>(a.op, a.reference, a.in_float);
    const Worst in_double = worst_error<double>(a.op, a.reference, a.in_double);
    INFO(a.name << ": float " << in_float.ulps << " ulp at " << in_float.at << ", double " << in_double.ulps
                << " ulp at " << in_double.at);
    CHECK(in_float.ulps <= a.float_bound);
    CHECK(in_double.ulps <= a.double_bound);
  }
}

}  // namespace unroll::test
