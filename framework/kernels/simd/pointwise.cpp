// The formulas of the element-wise functions.
#include "framework/kernels/pointwise.hpp"

#include <cmath>
#include <limits>

#include "framework/kernels/simd.hpp"

namespace unroll::kernel::UNROLL_ISA {
namespace {

// A formula is a lambda without captures, so its type is enough; c and d are batches of the constants.
template <class S, class F>
constexpr typename Pointwise<S>::Unary unary(F) {
  return [](const S* x, S* y, std::size_t n) noexcept { map(x, y, n, F{}); };
}

template <class S, class F>
constexpr typename Pointwise<S>::Unary1 with_constant(F) {
  return [](const S* x, S* y, std::size_t n, S c_value) noexcept {
    const Batch<S> c(c_value);
    map(x, y, n, [c](const Batch<S>& a) { return F{}(a, c); });
  };
}

template <class S, class F>
constexpr typename Pointwise<S>::Unary2 with_constants(F) {
  return [](const S* x, S* y, std::size_t n, S c_value, S d_value) noexcept {
    const Batch<S> c(c_value), d(d_value);
    map(x, y, n, [c, d](const Batch<S>& a) { return F{}(a, c, d); });
  };
}

template <class S, class F>
void map_plane(const Plane<S>& p, S* z) {
  const S *a = p.a, *b = p.b;
  for (std::size_t row = 0; row < p.rows; ++row, a += p.a_row, b += p.b_row, z += p.n) {
    if (p.a_step != 0 && p.b_step != 0) {
      map(a, b, z, p.n, F{});
    } else if (p.a_step != 0) {
      const Batch<S> c(*b);
      map(a, z, p.n, [c](const Batch<S>& x) { return F{}(x, c); });
    } else if (p.b_step != 0) {
      const Batch<S> c(*a);
      map(b, z, p.n, [c](const Batch<S>& y) { return F{}(c, y); });
    } else {  // both constant along a run of one element
      map(a, b, z, 1, F{});
    }
  }
}

template <class S, class F>
constexpr typename Pointwise<S>::Binary binary(F) {
  return {[](const S* a, const S* b, S* z, std::size_t n) noexcept { map(a, b, z, n, F{}); },
          [](const Plane<S>& operands, S* z) noexcept { map_plane<S, F>(operands, z); }};
}

// Natural logarithm. xsimd 8.1's is off by up to 5 % for subnormal doubles: they are scaled to normal ones.
template <class S>
Batch<S> log(const Batch<S>& x) {
  if constexpr (sizeof(S) == sizeof(double)) {
    const auto subnormal = (x > S(0)) & (x < std::numeric_limits<S>::min());
    if (xsimd::any(subnormal)) {
      const Batch<S> scaled = xsimd::log(xsimd::select(subnormal, x * S(0x1p54), x));
      return scaled -
             xsimd::select(subnormal, Batch<S>(S(37.429947750237046L)), Batch<S>(S(0)));  // 54 log(2)
    }
  }
  return xsimd::log(x);
}

// 1 - erf(x), accurate also where it is small. In double lane by lane: from x = 2.2 on xsimd 8.1 is off by
// 2e4 units in the last place and more.
template <class S>
Batch<S> erfc(const Batch<S>& x) {
  if constexpr (sizeof(S) == sizeof(float)) {
    return xsimd::erfc(x);
  } else {
    S lanes[Batch<S>::size];
    x.store_unaligned(lanes);
    for (S& v : lanes) v = std::erfc(v);
    return Batch<S>::load_unaligned(lanes);
  }
}

// The distribution function of the standard normal distribution.
template <class S>
Batch<S> normal_cdf(const Batch<S>& x) {
  constexpr S kScale = S(0.70710678118654752440L);  // 1 / sqrt(2)
  return S(0.5) * erfc<S>(-x * kScale);
}

template <class S>
void add_product(const S* a, const S* b, S* z, std::size_t n) noexcept {
  for_lanes<S>(n, [=](const auto& lanes) {
    const Batch<S> x = lanes.load(a);
    lanes.store(z, lanes.load(z) + xsimd::select(x == S(0), Batch<S>(S(0)), x * lanes.load(b)));
  });
}

template <class S>
void keep_scaled(const S* x, const std::uint8_t* keep, S* y, std::size_t n, S scale) noexcept {
  for (std::size_t i = 0; i < n; ++i) {
    const S scaled = x[i] * scale;
    y[i] = keep[i] != 0 ? scaled : S(0);
  }
}

template <class S, std::size_t a_step, std::size_t b_step>
void select_run(const std::uint8_t* condition, const S* a, const S* b, S* z, std::size_t n) {
  for (std::size_t i = 0; i < n; ++i) {
    const S x = a[i * a_step], y = b[i * b_step];
    z[i] = condition[i] != 0 ? x : y;
  }
}

template <class S>
void select(const std::uint8_t* condition, std::size_t condition_step, const S* a, std::size_t a_step,
            const S* b, std::size_t b_step, S* z, std::size_t n) noexcept {
  if (condition_step == 0) {
    const S* chosen = *condition != 0 ? a : b;
    const std::size_t step = *condition != 0 ? a_step : b_step;
    for (std::size_t i = 0; i < n; ++i) z[i] = chosen[i * step];
  } else if (a_step != 0) {
    b_step != 0 ? select_run<S, 1, 1>(condition, a, b, z, n) : select_run<S, 1, 0>(condition, a, b, z, n);
  } else {
    b_step != 0 ? select_run<S, 0, 1>(condition, a, b, z, n) : select_run<S, 0, 0>(condition, a, b, z, n);
  }
}

template <class S>
constexpr Pointwise<S> pointwise_functions() {
  using B = const Batch<S>&;
  using V = Batch<S>;
  return {
      .negate = unary<S>([](B x) { return -x; }),
      .exp = unary<S>([](B x) { return exp<S>(x); }),
      .log = unary<S>([](B x) { return log<S>(x); }),
      .sqrt = unary<S>([](B x) { return xsimd::sqrt(x); }),
      .square = unary<S>([](B x) { return x * x; }),
      .abs = unary<S>([](B x) { return xsimd::abs(x); }),
      .sign = unary<S>([](B x) {
        const V one(S(1)), zero(S(0));
        return xsimd::select(x > zero, one, xsimd::select(x < zero, -one, zero));
      }),
      .sin = unary<S>([](B x) { return xsimd::sin(x); }),
      .cos = unary<S>([](B x) { return xsimd::cos(x); }),
      .tanh = unary<S>([](B x) { return tanh<S>(x); }),
      .sigmoid = unary<S>([](B x) { return sigmoid<S>(x); }),
      .gelu = unary<S>([](B x) { return x * normal_cdf<S>(x); }),
      .normal_cdf = unary<S>([](B x) { return normal_cdf<S>(x); }),
      .softplus = unary<S>([](B x) { return xsimd::max(x, V(S(0))) + xsimd::log1p(exp<S>(-xsimd::abs(x))); }),
      // Written so that NaN stays NaN.
      .relu = unary<S>([](B x) { return xsimd::select(x <= S(0), V(S(0)), x); }),
      .is_positive = unary<S>([](B x) { return xsimd::select(x > S(0), V(S(1)), V(S(0))); }),

      .plus = with_constant<S>([](B x, B c) { return x + c; }),
      .minus = with_constant<S>([](B x, B c) { return x - c; }),
      .subtracted_from = with_constant<S>([](B x, B c) { return c - x; }),
      .times = with_constant<S>([](B x, B c) { return x * c; }),
      .divided_by = with_constant<S>([](B x, B c) { return x / c; }),
      .divide_into = with_constant<S>([](B x, B c) { return c / x; }),
      .leaky_relu = with_constant<S>([](B x, B slope) { return xsimd::select(x > S(0), x, x * slope); }),
      .leaky_relu_slope =
          with_constant<S>([](B x, B slope) { return xsimd::select(x > S(0), V(S(1)), slope); }),
      .elu =
          with_constant<S>([](B x, B alpha) { return xsimd::select(x > S(0), x, alpha * xsimd::expm1(x)); }),
      .clamp = with_constants<S>(
          [](B x, B low, B high) { return xsimd::select(x < low, low, xsimd::select(x > high, high, x)); }),
      .is_between = with_constants<S>([](B x, B low, B high) {
        const V one(S(1)), zero(S(0));
        return xsimd::select(x < low, zero, xsimd::select(x > high, zero, one));
      }),

      .add = binary<S>([](B a, B b) { return a + b; }),
      .subtract = binary<S>([](B a, B b) { return a - b; }),
      .multiply = binary<S>([](B a, B b) { return a * b; }),
      .divide = binary<S>([](B a, B b) { return a / b; }),
      // NaN in either operand gives NaN, as NumPy's maximum does.
      .maximum = binary<S>([](B a, B b) { return xsimd::select((a > b) | xsimd::isnan(a), a, b); }),
      .minimum = binary<S>([](B a, B b) { return xsimd::select((a < b) | xsimd::isnan(a), a, b); }),
      .times_if_nonzero = binary<S>([](B a, B b) { return xsimd::select(a == S(0), V(S(0)), a * b); }),
      .over_if_nonzero = binary<S>([](B a, B b) { return xsimd::select(a == S(0), V(S(0)), a / b); }),
      .times_if_both_nonzero =
          binary<S>([](B a, B b) { return xsimd::select((a == S(0)) | (b == S(0)), V(S(0)), a * b); }),
      .sigmoid_gradient =
          binary<S>([](B g, B y) { return xsimd::select(g == S(0), V(S(0)), g * y * (S(1) - y)); }),
      .tanh_gradient =
          binary<S>([](B g, B y) { return xsimd::select(g == S(0), V(S(0)), g * (S(1) - y * y)); }),
      .share_of_larger = binary<S>(
          [](B a, B b) { return xsimd::select(a > b, V(S(1)), xsimd::select(a == b, V(S(0.5)), V(S(0)))); }),
      .share_of_smaller = binary<S>(
          [](B a, B b) { return xsimd::select(a < b, V(S(1)), xsimd::select(a == b, V(S(0.5)), V(S(0)))); }),
      .exp_of_difference = binary<S>([](B a, B b) { return exp<S>(a - b); }),
      .log_plus = binary<S>([](B a, B b) { return log<S>(a) + b; }),
      .is_same = binary<S>([](B a, B b) {
        return xsimd::select((a == b) | (xsimd::isnan(a) & xsimd::isnan(b)), V(S(1)), V(S(0)));
      }),

      .add_product = add_product<S>,
      .keep_scaled = keep_scaled<S>,
      .select = select<S>,
  };
}

}  // namespace

constinit const ForScalars<Pointwise> pointwise_table{pointwise_functions<float>(),
                                                      pointwise_functions<double>()};

}  // namespace unroll::kernel::UNROLL_ISA
