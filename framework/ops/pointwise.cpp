#include <fmt/format.h>

#include <cmath>
#include <numbers>

#include "framework/errors.hpp"
#include "framework/kernels/pointwise.hpp"
#include "framework/ops.hpp"
#include "framework/ops/apply.hpp"
#include "framework/ops/chain.hpp"

namespace unroll {
namespace {

using detail::apply;  // directly, for piecewise constant factors: no gradient flows through them
using detail::chain;
using detail::chain_over;
using kernel::pointwise;

// The gradient of y = sigmoid(x) or tanh(x): a kernel of g and y, or, to be recorded, its formula in ops.
template <class S, class Formula>
Var<S> through(Var<S>&& g, const Var<S>& y, const typename kernel::Pointwise<S>::Binary& f, Formula formula) {
  const auto& state = detail::thread_state;
  if (state.recording || state.detect_nonfinite > 0 || !have_same_shape(g, y)) return formula(g);
  return detail::apply_over(std::move(g), g, y, f);
}

}  // namespace

template <class S>
Var<S> exp(const Var<S>& x) {
  Var<S> y = apply(x, pointwise<S>().exp);
  return record("exp", y, input(x, [y](Var<S> g) { return chain(std::move(g), y); }));
}

template <class S>
Var<S> log(const Var<S>& x) {
  Var<S> y = apply(x, pointwise<S>().log);
  return record("log", std::move(y), input(x, [x](const Var<S>& g) { return chain_over(g, x); }));
}

template <class S>
Var<S> sqrt(const Var<S>& x) {
  Var<S> y = apply(x, pointwise<S>().sqrt);
  return record("sqrt", y, input(x, [y](const Var<S>& g) { return chain_over(g, y * 2.0); }));
}

template <class S>
Var<S> square(const Var<S>& x) {
  Var<S> y = apply(x, pointwise<S>().square);
  return record("square", std::move(y), input(x, [x](const Var<S>& g) { return chain(g, x) * 2.0; }));
}

template <class S>
Var<S> pow(const Var<S>& x, double exponent) {
  // std::pow, element by element: exact at the edges of the domain (0^0, negative bases, integer exponents).
  Var<S> y = Var<S>::uninitialized(x.shape());
  S* out = y.raw();
  for (std::size_t i = 0; i < x.size(); ++i) out[i] = std::pow(x.elements()[i], static_cast<S>(exponent));
  return record("pow", std::move(y), input(x, [x, exponent](const Var<S>& g) {
                  if (exponent == 0.0) return Var<S>::zeros(x.shape());
                  return chain(chain(g, pow(x, exponent - 1.0)), exponent);
                }));
}

template <class S>
Var<S> abs(const Var<S>& x) {
  Var<S> y = apply(x, pointwise<S>().abs);
  return record("abs", std::move(y),
                input(x, [x](const Var<S>& g) { return chain(apply(x, pointwise<S>().sign), g); }));
}

template <class S>
Var<S> sin(const Var<S>& x) {
  Var<S> y = apply(x, pointwise<S>().sin);
  return record("sin", std::move(y), input(x, [x](const Var<S>& g) { return chain(g, cos(x)); }));
}

template <class S>
Var<S> cos(const Var<S>& x) {
  Var<S> y = apply(x, pointwise<S>().cos);
  return record("cos", std::move(y), input(x, [x](const Var<S>& g) { return -chain(g, sin(x)); }));
}

template <class S>
Var<S> tanh(const Var<S>& x) {
  Var<S> y = apply(x, pointwise<S>().tanh);
  return record("tanh", y, input(x, [y](Var<S> upstream) {
                  return through(std::move(upstream), y, pointwise<S>().tanh_gradient,
                                 [&y](const Var<S>& g) { return chain(g, 1.0 - y * y); });
                }));
}

template <class S>
Var<S> sigmoid(const Var<S>& x) {
  Var<S> y = apply(x, pointwise<S>().sigmoid);
  return record("sigmoid", y, input(x, [y](Var<S> upstream) {
                  return through(std::move(upstream), y, pointwise<S>().sigmoid_gradient,
                                 [&y](const Var<S>& g) { return chain(chain(g, y), 1.0 - y); });
                }));
}

template <class S>
Var<S> relu(const Var<S>& x) {
  Var<S> y = apply(x, pointwise<S>().relu);
  return record("relu", std::move(y),
                input(x, [x](const Var<S>& g) { return chain(apply(x, pointwise<S>().is_positive), g); }));
}

template <class S>
Var<S> leaky_relu(const Var<S>& x, double slope) {
  const auto s = static_cast<S>(slope);
  Var<S> y = apply(x, pointwise<S>().leaky_relu, s);
  return record("leaky_relu", std::move(y), input(x, [x, s](const Var<S>& g) {
                  return chain(g, apply(x, pointwise<S>().leaky_relu_slope, s));
                }));
}

template <class S>
Var<S> elu(const Var<S>& x, double alpha) {
  Var<S> y = apply(x, pointwise<S>().elu, static_cast<S>(alpha));
  return record("elu", std::move(y), input(x, [x, alpha](const Var<S>& g) {
                  // 1 for x > 0, alpha exp(x) below; exp of the negative part only, so that it cannot
                  // overflow
                  const Mask positive = x.value() > S(0);
                  const Var<S> below = exp(minimum(x, Var<S>(Tensor<S>(S(0))))) * alpha;
                  return where(positive, g, chain(g, below));
                }));
}

template <class S>
Var<S> gelu(const Var<S>& x) {
  Var<S> y = apply(x, pointwise<S>().gelu);
  return record("gelu", std::move(y), input(x, [x](const Var<S>& g) {
                  // d/dx x Phi(x) = Phi(x) + x phi(x), with Phi(x) again as a recorded function of x
                  const double density = std::numbers::inv_sqrtpi / std::numbers::sqrt2;
                  return chain(g, normal_cdf(x) + x * exp(square(x) * -0.5) * density);
                }));
}

template <class S>
Var<S> normal_cdf(const Var<S>& x) {
  Var<S> y = apply(x, pointwise<S>().normal_cdf);
  return record("normal_cdf", std::move(y), input(x, [x](const Var<S>& g) {
                  const double density = std::numbers::inv_sqrtpi / std::numbers::sqrt2;
                  return chain(g, exp(square(x) * -0.5)) * density;
                }));
}

template <class S>
Var<S> softplus(const Var<S>& x) {
  Var<S> y = apply(x, pointwise<S>().softplus);
  return record("softplus", std::move(y), input(x, [x](const Var<S>& g) { return chain(g, sigmoid(x)); }));
}

template <class S>
Var<S> clamp(const Var<S>& x, double low, double high) {
  if (!(low <= high)) {  // also NaN
    throw ArgumentError(fmt::format("[clamp] low and high: expected low <= high, got {} and {}", low, high));
  }
  const auto lo = static_cast<S>(low), hi = static_cast<S>(high);
  Var<S> y = apply(x, pointwise<S>().clamp, lo, hi);
  return record("clamp", std::move(y), input(x, [x, lo, hi](const Var<S>& g) {
                  return chain(apply(x, pointwise<S>().is_between, lo, hi), g);
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
