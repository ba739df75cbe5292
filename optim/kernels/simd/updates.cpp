// The update formulas of the optimizers. Plain loops, which the compiler vectorises.
#include "optim/kernels/updates.hpp"

#include <cmath>
#include <limits>

namespace unroll::kernel::UNROLL_ISA {
namespace {

// A state that only decays reaches the subnormal numbers, where rounding would hold it for ever and a step
// takes twice as long: there it becomes 0.
template <class S>
constexpr S kTiny = std::numeric_limits<S>::min();

template <class S>
S decayed(S value, S tiny) noexcept {
  return std::abs(value) < tiny ? S(0) : value;
}
// The same for a mean of squares.
template <class S>
S decayed_square(S value, S tiny) noexcept {
  return value < tiny ? S(0) : value;
}
// The root of this state is a divisor: it becomes 0 where `least`, which is added to it, is so much larger
// that no step can tell.
template <class S>
S tiny_square(S least) noexcept {
  return least > kTiny<S> * S(1e12) ? kTiny<S> : S(0);
}

template <class S>
void sgd(const typename Updates<S>::Sgd& c, std::size_t n, S* __restrict p, const S* __restrict g) noexcept {
  for (std::size_t i = 0; i < n; ++i) p[i] -= c.lr * (c.sign * g[i] + c.decay * p[i]);
}

template <class S>
void sgd_momentum(const typename Updates<S>::Sgd& constants, std::size_t n, S* __restrict p,
                  const S* __restrict g, S* __restrict b) noexcept {
  const auto c = constants;  // a copy, which the stores cannot alias
  for (std::size_t i = 0; i < n; ++i) {
    const S d = c.sign * g[i] + c.decay * p[i];
    b[i] = decayed(c.keep * b[i] + c.take * d, kTiny<S>);
    p[i] -= c.lr * b[i];
  }
}

template <class S>
void sgd_nesterov(const typename Updates<S>::Sgd& constants, std::size_t n, S* __restrict p,
                  const S* __restrict g, S* __restrict b) noexcept {
  const auto c = constants;
  for (std::size_t i = 0; i < n; ++i) {
    const S d = c.sign * g[i] + c.decay * p[i];
    b[i] = decayed(c.keep * b[i] + c.take * d, kTiny<S>);
    p[i] -= c.lr * (d + c.momentum * b[i]);
  }
}

template <class S>
void adam(const typename Updates<S>::Adam& constants, std::size_t n, S* __restrict p, const S* __restrict g,
          S* __restrict m, S* __restrict v) noexcept {
  const auto c = constants;
  const S tiny = tiny_square(c.eps * c.eps);
  for (std::size_t i = 0; i < n; ++i) {
    const S d = c.sign * g[i] + c.l2 * p[i];
    m[i] = decayed(c.beta1 * m[i] + c.rest1 * d, kTiny<S>);
    v[i] = decayed_square(c.beta2 * v[i] + c.rest2 * d * d, tiny);
    p[i] = c.shrink * p[i] - c.rate * m[i] / (std::sqrt(v[i]) / c.root_correction + c.eps);
  }
}

template <class S>
void amsgrad(const typename Updates<S>::Adam& constants, std::size_t n, S* __restrict p,
             const S* __restrict g, S* __restrict m, S* __restrict v, S* __restrict largest) noexcept {
  const auto c = constants;
  const S tiny = tiny_square(c.eps * c.eps);
  for (std::size_t i = 0; i < n; ++i) {
    const S d = c.sign * g[i] + c.l2 * p[i];
    m[i] = decayed(c.beta1 * m[i] + c.rest1 * d, kTiny<S>);
    v[i] = decayed_square(c.beta2 * v[i] + c.rest2 * d * d, tiny);
    largest[i] = largest[i] < v[i] ? v[i] : largest[i];
    p[i] = c.shrink * p[i] - c.rate * m[i] / (std::sqrt(largest[i]) / c.root_correction + c.eps);
  }
}

template <class S>
void nadam(const typename Updates<S>::NAdam& constants, std::size_t n, S* __restrict p, const S* __restrict g,
           S* __restrict m, S* __restrict v) noexcept {
  const auto c = constants;
  const S tiny = tiny_square(c.eps * c.eps);
  for (std::size_t i = 0; i < n; ++i) {
    const S d = g[i] + c.decay * p[i];
    m[i] = decayed(c.beta1 * m[i] + c.rest1 * d, kTiny<S>);
    v[i] = decayed_square(c.beta2 * v[i] + c.rest2 * d * d, tiny);
    p[i] -= (c.rate_now * d + c.rate_next * m[i]) / (std::sqrt(v[i]) / c.root_correction + c.eps);
  }
}

// Compiled once per combination, so that the loop has no branches.
template <class S, bool kCentered, bool kMomentum>
void rmsprop_loop(const typename Updates<S>::RmsProp& constants, std::size_t n, S* __restrict p,
                  const S* __restrict g, S* __restrict v, S* __restrict a, S* __restrict b) noexcept {
  const auto c = constants;
  const S tiny = tiny_square(c.eps * c.eps);
  for (std::size_t i = 0; i < n; ++i) {
    const S d = c.sign * g[i] + c.decay * p[i];
    v[i] = decayed_square(c.alpha * v[i] + c.rest * d * d, tiny);
    S w = v[i];
    if constexpr (kCentered) {
      a[i] = decayed(c.alpha * a[i] + c.rest * d, kTiny<S>);
      w -= a[i] * a[i];
      w = w < S(0) ? S(0) : w;
    }
    const S scale = std::sqrt(w) + c.eps;
    if constexpr (kMomentum) {
      b[i] = decayed(c.momentum * b[i] + d / scale, kTiny<S>);
      p[i] -= c.lr * b[i];
    } else {
      p[i] -= c.lr * d / scale;
    }
  }
}

template <class S>
void rmsprop(const typename Updates<S>::RmsProp& c, std::size_t n, S* p, const S* g, S* v, S* a,
             S* b) noexcept {
  if (a != nullptr) {
    b != nullptr ? rmsprop_loop<S, true, true>(c, n, p, g, v, a, b)
                 : rmsprop_loop<S, true, false>(c, n, p, g, v, a, b);
  } else {
    b != nullptr ? rmsprop_loop<S, false, true>(c, n, p, g, v, a, b)
                 : rmsprop_loop<S, false, false>(c, n, p, g, v, a, b);
  }
}

template <class S>
void adagrad(const typename Updates<S>::Adagrad& constants, std::size_t n, S* __restrict p,
             const S* __restrict g, S* __restrict s) noexcept {
  const auto c = constants;
  for (std::size_t i = 0; i < n; ++i) {
    const S d = c.sign * g[i] + c.decay * p[i];
    s[i] += d * d;
    p[i] -= c.rate * d / (std::sqrt(s[i]) + c.eps);
  }
}

template <class S>
void adadelta(const typename Updates<S>::Adadelta& constants, std::size_t n, S* __restrict p,
              const S* __restrict g, S* __restrict v, S* __restrict a) noexcept {
  const auto c = constants;
  const S tiny = tiny_square(c.eps);
  for (std::size_t i = 0; i < n; ++i) {
    const S d = c.sign * g[i] + c.decay * p[i];
    v[i] = decayed_square(c.rho * v[i] + c.rest * d * d, tiny);
    const S change = std::sqrt(a[i] + c.eps) / std::sqrt(v[i] + c.eps) * d;
    a[i] = decayed_square(c.rho * a[i] + c.rest * change * change, tiny);
    p[i] -= c.lr * change;
  }
}

// Eight sums side by side, so that the loop needs no reordering to use vectors.
template <class S, class Term>
double sum_of(const S* x, std::size_t n, Term term) {
  constexpr std::size_t kLanes = 8;
  double lane[kLanes] = {};
  std::size_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    for (std::size_t k = 0; k < kLanes; ++k) lane[k] += term(static_cast<double>(x[i + k]));
  }
  for (; i < n; ++i) lane[0] += term(static_cast<double>(x[i]));
  double sum = 0.0;
  for (const double part : lane) sum += part;
  return sum;
}

template <class S>
double sum_of_squares(const S* x, std::size_t n) noexcept {
  return sum_of(x, n, [](double v) { return v * v; });
}
template <class S>
double sum_of_sizes(const S* x, std::size_t n) noexcept {
  return sum_of(x, n, [](double v) { return std::fabs(v); });
}

template <class S>
constexpr Updates<S> functions() {
  return {.sgd = sgd<S>,
          .sgd_momentum = sgd_momentum<S>,
          .sgd_nesterov = sgd_nesterov<S>,
          .adam = adam<S>,
          .amsgrad = amsgrad<S>,
          .nadam = nadam<S>,
          .rmsprop = rmsprop<S>,
          .adagrad = adagrad<S>,
          .adadelta = adadelta<S>,
          .sum_of_squares = sum_of_squares<S>,
          .sum_of_sizes = sum_of_sizes<S>};
}

}  // namespace

constinit const ForScalars<Updates> updates_table{functions<float>(), functions<double>()};

}  // namespace unroll::kernel::UNROLL_ISA
