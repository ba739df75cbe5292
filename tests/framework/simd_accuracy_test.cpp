// exp, tanh and sigmoid over the whole range of their arguments, under every instruction set.
#include <algorithm>
#include <bit>
#include <catch2/catch.hpp>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <type_traits>

#include "framework/ops.hpp"
#include "framework/simd.hpp"

namespace unroll {
namespace {

// A type with digits to spare.
template <class S>
using Wider = std::conditional_t<std::is_same_v<S, float>, double, long double>;

// Units in the last place, or of the smallest subnormal number, by which got is off. An overflow where there
// should be none, or none where there should be one, is infinitely many.
template <class S>
double ulps(S got, Wider<S> want) {
  using Limits = std::numeric_limits<S>;
  if (std::isnan(want)) return std::isnan(got) ? 0.0 : Limits::infinity();
  if (std::isinf(static_cast<S>(want)) || !std::isfinite(got)) {
    return got == static_cast<S>(want) ? 0.0 : Limits::infinity();
  }
  const int exponent =
      want == 0 ? Limits::min_exponent - 1 : std::max(std::ilogb(want), Limits::min_exponent - 1);
  const auto ulp = std::ldexp(Wider<S>{1}, exponent + 1 - Limits::digits);
  return static_cast<double>(std::fabs(static_cast<Wider<S>>(got) - want) / ulp);
}

// Bit patterns of all magnitudes and signs, subnormal numbers, infinities and NaN among them; then the range
// in which the functions are not yet constant, evenly.
template <class S>
Tensor<S> arguments() {
  std::vector<S> all;
  if constexpr (std::is_same_v<S, float>) {
    for (std::uint64_t bits = 0; bits <= 0xffffffffU; bits += 2039) {
      all.push_back(std::bit_cast<float>(static_cast<std::uint32_t>(bits)));
    }
  } else {
    std::mt19937_64 random(3);
    for (std::uint64_t exponent = 0; exponent < 4096; ++exponent) {
      for (int k = 0; k < 64; ++k) all.push_back(std::bit_cast<double>(exponent << 52 | random() >> 12));
    }
  }
  std::mt19937_64 random(4);
  const double limit = std::is_same_v<S, float> ? 110.0 : 760.0;
  std::uniform_real_distribution<double> far(-limit, limit), near(-20.0, 20.0);
  for (int k = 0; k < 300000; ++k) all.push_back(static_cast<S>(k % 2 == 0 ? far(random) : near(random)));
  constexpr S kInf = std::numeric_limits<S>::infinity();
  for (const S v : {S(0), -S(0), kInf, -kInf, std::numeric_limits<S>::quiet_NaN()}) all.push_back(v);
  Tensor<S> x(Shape{all.size()});
  std::copy(all.begin(), all.end(), x.data());
  return x;
}

template <class S, class Function, class Reference>
void check(const char* name, double bound, bool subnormal_results, Function f, Reference reference) {
  const Tensor<S> x = arguments<S>();
  const std::string before(simd_isa());
  for (const std::string& isa : simd_isas()) {
    set_simd_isa(isa);
    const Var<S> y = f(Var<S>(x));
    double worst = 0.0;
    S at = 0;
    for (std::size_t i = 0; i < x.size(); ++i) {
      const S got = y.data()[i];
      const auto want = reference(static_cast<Wider<S>>(x.data()[i]));
      constexpr S kSmallest = std::numeric_limits<S>::min();
      const bool lost = !subnormal_results && want < kSmallest && got >= 0 && got < kSmallest;
      const double error = lost ? 0.0 : ulps(got, want);
      if (error > worst) {
        worst = error;
        at = x.data()[i];
      }
    }
    INFO(name << " with " << isa << ": " << worst << " ulp at " << at);
    CHECK(worst <= bound);
    CHECK(worst > 0.5);  // the measure works: none of these is always rounded correctly
  }
  set_simd_isa(before);
}

// The bounds in docs/design.md.
template <class S>
void check_all(double exp_bound, double tanh_bound, double sigmoid_bound) {
  using W = Wider<S>;
  check<S>(
      "exp", exp_bound, true, [](const Var<S>& x) { return exp(x); }, [](W x) { return std::exp(x); });
  check<S>(
      "tanh", tanh_bound, true, [](const Var<S>& x) { return tanh(x); }, [](W x) { return std::tanh(x); });
  check<S>(
      "sigmoid", sigmoid_bound, false, [](const Var<S>& x) { return sigmoid(x); },
      [](W x) { return x < 0 ? std::exp(x) / (1 + std::exp(x)) : 1 / (1 + std::exp(-x)); });
}

}  // namespace

TEST_CASE("exp, tanh and sigmoid are accurate over the whole range under every instruction set") {
  check_all<float>(1.05, 1.4, 2.5);
  check_all<double>(1.05, 1.3, 2.1);
}

}  // namespace unroll
