#include <fmt/format.h>

#include <cmath>
#include <numbers>

#include "framework/errors.hpp"
#include "framework/kernels/simd.hpp"
#include "framework/ops.hpp"

namespace unroll {
namespace {

template <class S>
using Batch = kernel::Batch<S>;

template <class S, class F>
Var<S> apply(const Var<S>& x, F f) {
  Var<S> y = Var<S>::uninitialized(x.shape());
  kernel::map(x.data(), y.get()->data.data(), x.size(), f);
  return y;
}

// 1 - erf(x), accurate also where it is small. In double lane by lane: beyond x = 2.2 xsimd 8.1 is off by 2e4
// units in the last place and more.
template <class S>
Batch<S> erfc(const Batch<S>& x) {
  if constexpr (std::is_same_v<S, float>) {
    return xsimd::erfc(x);
  } else {
    S lanes[Batch<S>::size];
    x.store_unaligned(lanes);
    for (S& v : lanes) v = std::erfc(v);
    return Batch<S>::load_unaligned(lanes);
  }
}

// A piecewise constant factor: no gradient flows through it.
template <class S, class F>
Var<S> factor(const Var<S>& x, F f) {
  return apply(x, f);
}

}  // namespace

template <class S>
Var<S> exp(const Var<S>& x) {
  Var<S> y = apply(x, [](const Batch<S>& a) { return xsimd::exp(a); });
  return record("exp", y, input(x, [y](const Var<S>& g) { return g * y; }));
}

template <class S>
Var<S> log(const Var<S>& x) {
  Var<S> y = apply(x, [](const Batch<S>& a) { return xsimd::log(a); });
  return record("log", std::move(y), input(x, [x](const Var<S>& g) { return g / x; }));
}

template <class S>
Var<S> sqrt(const Var<S>& x) {
  Var<S> y = apply(x, [](const Batch<S>& a) { return xsimd::sqrt(a); });
  return record("sqrt", y, input(x, [y](const Var<S>& g) { return g / (y * 2.0); }));
}

template <class S>
Var<S> square(const Var<S>& x) {
  Var<S> y = apply(x, [](const Batch<S>& a) { return a * a; });
  return record("square", std::move(y), input(x, [x](const Var<S>& g) { return g * x * 2.0; }));
}

template <class S>
Var<S> pow(const Var<S>& x, double exponent) {
  // std::pow, element by element: exact for the domain's edges (0^0, negative bases, whole exponents).
  Var<S> y = Var<S>::uninitialized(x.shape());
  S* out = y.get()->data.data();
  for (std::size_t i = 0; i < x.size(); ++i) out[i] = std::pow(x.data()[i], static_cast<S>(exponent));
  return record("pow", std::move(y), input(x, [x, exponent](const Var<S>& g) {
                  if (exponent == 0.0) return g * 0.0;
                  return g * pow(x, exponent - 1.0) * exponent;
                }));
}

template <class S>
Var<S> abs(const Var<S>& x) {
  Var<S> y = apply(x, [](const Batch<S>& a) { return xsimd::abs(a); });
  return record("abs", std::move(y), input(x, [x](const Var<S>& g) {
                  return g * factor(x, [](const Batch<S>& a) {
                           const Batch<S> one(S(1)), zero(S(0));
                           return xsimd::select(a > zero, one, xsimd::select(a < zero, -one, zero));
                         });
                }));
}

template <class S>
Var<S> sin(const Var<S>& x) {
  Var<S> y = apply(x, [](const Batch<S>& a) { return xsimd::sin(a); });
  return record("sin", std::move(y), input(x, [x](const Var<S>& g) { return g * cos(x); }));
}

template <class S>
Var<S> cos(const Var<S>& x) {
  Var<S> y = apply(x, [](const Batch<S>& a) { return xsimd::cos(a); });
  return record("cos", std::move(y), input(x, [x](const Var<S>& g) { return -(g * sin(x)); }));
}

template <class S>
Var<S> tanh(const Var<S>& x) {
  Var<S> y = apply(x, [](const Batch<S>& a) { return xsimd::tanh(a); });
  return record("tanh", y, input(x, [y](const Var<S>& g) { return g * (1.0 - y * y); }));
}

template <class S>
Var<S> sigmoid(const Var<S>& x) {
  Var<S> y = apply(x, [](const Batch<S>& a) { return kernel::sigmoid(a); });
  return record("sigmoid", y, input(x, [y](const Var<S>& g) { return g * y * (1.0 - y); }));
}

template <class S>
Var<S> relu(const Var<S>& x) {
  // Written so that NaN stays NaN.
  Var<S> y = apply(x, [](const Batch<S>& a) { return xsimd::select(a <= S(0), Batch<S>(S(0)), a); });
  return record("relu", std::move(y), input(x, [x](const Var<S>& g) {
                  return g * factor(x, [](const Batch<S>& a) {
                           return xsimd::select(a > S(0), Batch<S>(S(1)), Batch<S>(S(0)));
                         });
                }));
}

template <class S>
Var<S> leaky_relu(const Var<S>& x, double slope) {
  const auto s = static_cast<S>(slope);
  Var<S> y = apply(x, [s](const Batch<S>& a) { return xsimd::select(a > S(0), a, a * s); });
  return record("leaky_relu", std::move(y), input(x, [x, s](const Var<S>& g) {
                  return g * factor(x, [s](const Batch<S>& a) {
                           return xsimd::select(a > S(0), Batch<S>(S(1)), Batch<S>(s));
                         });
                }));
}

template <class S>
Var<S> elu(const Var<S>& x, double alpha) {
  const auto k = static_cast<S>(alpha);
  Var<S> y = apply(x, [k](const Batch<S>& a) { return xsimd::select(a > S(0), a, k * xsimd::expm1(a)); });
  return record("elu", std::move(y), input(x, [x, alpha](const Var<S>& g) {
                  // 1 for x > 0, alpha exp(x) below; exp of the negative part only, so that it cannot
                  // overflow
                  const Mask positive = x.value() > S(0);
                  const Var<S> below = exp(minimum(x, Var<S>(Tensor<S>(S(0))))) * alpha;
                  return where(positive, g, g * below);
                }));
}

template <class S>
Var<S> gelu(const Var<S>& x) {
  const S scale = S(1) / std::numbers::sqrt2_v<S>;
  Var<S> y = apply(x, [scale](const Batch<S>& a) { return S(0.5) * a * erfc(-a * scale); });
  return record("gelu", std::move(y), input(x, [x](const Var<S>& g) {
                  // d/dx x Phi(x) = Phi(x) + x phi(x), with Phi(x) again as a recorded function of x
                  const double density = std::numbers::inv_sqrtpi / std::numbers::sqrt2;
                  return g * (normal_cdf(x) + x * exp(square(x) * -0.5) * density);
                }));
}

template <class S>
Var<S> normal_cdf(const Var<S>& x) {
  const S scale = S(1) / std::numbers::sqrt2_v<S>;
  Var<S> y = apply(x, [scale](const Batch<S>& a) { return S(0.5) * erfc(-a * scale); });
  return record("normal_cdf", std::move(y), input(x, [x](const Var<S>& g) {
                  const double density = std::numbers::inv_sqrtpi / std::numbers::sqrt2;
                  return g * exp(square(x) * -0.5) * density;
                }));
}

template <class S>
Var<S> softplus(const Var<S>& x) {
  Var<S> y = apply(x, [](const Batch<S>& a) {
    return xsimd::max(a, Batch<S>(S(0))) + xsimd::log1p(xsimd::exp(-xsimd::abs(a)));
  });
  return record("softplus", std::move(y), input(x, [x](const Var<S>& g) { return g * sigmoid(x); }));
}

template <class S>
Var<S> clamp(const Var<S>& x, double low, double high) {
  if (!(low <= high)) {  // also NaN
    throw ArgumentError(fmt::format("[clamp] low and high want low <= high, got {} and {}", low, high));
  }
  const auto lo = static_cast<S>(low), hi = static_cast<S>(high);
  Var<S> y = apply(x, [lo, hi](const Batch<S>& a) {
    return xsimd::select(a < lo, Batch<S>(lo), xsimd::select(a > hi, Batch<S>(hi), a));
  });
  return record("clamp", std::move(y), input(x, [x, lo, hi](const Var<S>& g) {
                  return g * factor(x, [lo, hi](const Batch<S>& a) {
                           const Batch<S> one(S(1)), zero(S(0));
                           return xsimd::select(a < lo, zero, xsimd::select(a > hi, zero, one));
                         });
                }));
}

#define UNROLL_INSTANTIATE(S)                        \
  template Var<S> exp(const Var<S>&);                \
  template Var<S> log(const Var<S>&);                \
  template Var<S> sqrt(const Var<S>&);               \
  template Var<S> square(const Var<S>&);             \
  template Var<S> pow(const Var<S>&, double);        \
  template Var<S> abs(const Var<S>&);                \
  template Var<S> sin(const Var<S>&);                \
  template Var<S> cos(const Var<S>&);                \
  template Var<S> tanh(const Var<S>&);               \
  template Var<S> sigmoid(const Var<S>&);            \
  template Var<S> relu(const Var<S>&);               \
  template Var<S> leaky_relu(const Var<S>&, double); \
  template Var<S> elu(const Var<S>&, double);        \
  template Var<S> gelu(const Var<S>&);               \
  template Var<S> normal_cdf(const Var<S>&);         \
  template Var<S> softplus(const Var<S>&);           \
  template Var<S> clamp(const Var<S>&, double, double);
UNROLL_INSTANTIATE(float)
UNROLL_INSTANTIATE(double)
#undef UNROLL_INSTANTIATE

}  // namespace unroll
