#include <fmt/format.h>

#include "framework/errors.hpp"
#include "framework/kernels/broadcast.hpp"
#include "framework/ops.hpp"

namespace unroll {
namespace {

template <class S>
using Batch = kernel::Batch<S>;

template <class S, class F>
Var<S> binary(const char* op, const Var<S>& x, const Var<S>& y, F f) {
  if (x.shape() == y.shape()) {
    Var<S> z = Var<S>::uninitialized(x.shape());
    kernel::map(x.data(), y.data(), z.get()->data.data(), x.size(), f);
    return z;
  }
  const Shape shape = broadcast_shapes(op, x.shape(), y.shape());
  Var<S> z = Var<S>::uninitialized(shape);
  kernel::map_broadcast(x.data(), x.shape(), y.data(), y.shape(), z.get()->data.data(), shape, f);
  return z;
}

template <class S, class F>
Var<S> unary(const Var<S>& x, F f) {
  Var<S> z = Var<S>::uninitialized(x.shape());
  kernel::map(x.data(), z.get()->data.data(), x.size(), f);
  return z;
}

}  // namespace

template <class S>
Var<S> operator+(const Var<S>& x, const Var<S>& y) {
  Var<S> z = binary("add", x, y, [](const Batch<S>& a, const Batch<S>& b) { return a + b; });
  if (x.shape() == y.shape()) {
    return record("add", std::move(z), input(x, [](const Var<S>& g) { return g; }),
                  input(y, [](const Var<S>& g) { return g; }));
  }
  return record("add", std::move(z), input(x, [s = x.shape()](const Var<S>& g) { return sum_to(g, s); }),
                input(y, [s = y.shape()](const Var<S>& g) { return sum_to(g, s); }));
}

template <class S>
Var<S> operator-(const Var<S>& x, const Var<S>& y) {
  Var<S> z = binary("sub", x, y, [](const Batch<S>& a, const Batch<S>& b) { return a - b; });
  if (x.shape() == y.shape()) {
    return record("sub", std::move(z), input(x, [](const Var<S>& g) { return g; }),
                  input(y, [](const Var<S>& g) { return -g; }));
  }
  return record("sub", std::move(z), input(x, [s = x.shape()](const Var<S>& g) { return sum_to(g, s); }),
                input(y, [s = y.shape()](const Var<S>& g) { return sum_to(-g, s); }));
}

template <class S>
Var<S> operator*(const Var<S>& x, const Var<S>& y) {
  Var<S> z = binary("mul", x, y, [](const Batch<S>& a, const Batch<S>& b) { return a * b; });
  if (x.shape() == y.shape()) {
    return record("mul", std::move(z), input(x, [y](const Var<S>& g) { return g * y; }),
                  input(y, [x](const Var<S>& g) { return g * x; }));
  }
  return record("mul", std::move(z),
                input(x, [y, s = x.shape()](const Var<S>& g) { return sum_to(g * y, s); }),
                input(y, [x, s = y.shape()](const Var<S>& g) { return sum_to(g * x, s); }));
}

template <class S>
Var<S> operator/(const Var<S>& x, const Var<S>& y) {
  Var<S> z = binary("div", x, y, [](const Batch<S>& a, const Batch<S>& b) { return a / b; });
  // d(x/y)/dx = 1/y, d(x/y)/dy = -(x/y)/y
  return record("div", z, input(x, [y, s = x.shape()](const Var<S>& g) { return sum_to(g / y, s); }),
                input(y, [y, z](const Var<S>& g) { return sum_to(-(g * z / y), y.shape()); }));
}

template <class S>
Var<S> operator-(const Var<S>& x) {
  return record("neg", unary(x, [](const Batch<S>& a) { return -a; }),
                input(x, [](const Var<S>& g) { return -g; }));
}

template <class S>
Var<S> operator+(const Var<S>& x, double c) {
  const Batch<S> k(static_cast<S>(c));
  return record("add", unary(x, [&](const Batch<S>& a) { return a + k; }),
                input(x, [](const Var<S>& g) { return g; }));
}
template <class S>
Var<S> operator+(double c, const Var<S>& x) {
  return x + c;
}
template <class S>
Var<S> operator-(const Var<S>& x, double c) {
  const Batch<S> k(static_cast<S>(c));
  return record("sub", unary(x, [&](const Batch<S>& a) { return a - k; }),
                input(x, [](const Var<S>& g) { return g; }));
}
template <class S>
Var<S> operator-(double c, const Var<S>& x) {
  const Batch<S> k(static_cast<S>(c));
  return record("sub", unary(x, [&](const Batch<S>& a) { return k - a; }),
                input(x, [](const Var<S>& g) { return -g; }));
}
template <class S>
Var<S> operator*(const Var<S>& x, double c) {
  const Batch<S> k(static_cast<S>(c));
  return record("mul", unary(x, [&](const Batch<S>& a) { return a * k; }),
                input(x, [c](const Var<S>& g) { return g * c; }));
}
template <class S>
Var<S> operator*(double c, const Var<S>& x) {
  return x * c;
}
template <class S>
Var<S> operator/(const Var<S>& x, double c) {
  const Batch<S> k(static_cast<S>(c));
  return record("div", unary(x, [&](const Batch<S>& a) { return a / k; }),
                input(x, [c](const Var<S>& g) { return g / c; }));
}
template <class S>
Var<S> operator/(double c, const Var<S>& x) {
  const Batch<S> k(static_cast<S>(c));
  Var<S> z = unary(x, [&](const Batch<S>& a) { return k / a; });
  return record("div", z, input(x, [x, z](const Var<S>& g) { return -(g * z / x); }));
}

namespace {

// The share of the gradient that goes to x in maximum (sign = 1) and minimum (sign = -1): 1 where x is
// chosen, 1/2 where both are equal, else 0. Piecewise constant, so it has no gradient of its own.
template <class S>
Var<S> chosen(const Var<S>& x, const Var<S>& y, S sign) {
  return binary("maximum", x, y, [sign](const Batch<S>& a, const Batch<S>& b) {
    const Batch<S> d = (a - b) * sign;
    return xsimd::select(d > S(0), Batch<S>(S(1)), xsimd::select(a == b, Batch<S>(S(0.5)), Batch<S>(S(0))));
  });
}

template <class S>
Var<S> extremum(const char* op, const Var<S>& x, const Var<S>& y, S sign) {
  // NaN in either operand gives NaN, as NumPy's maximum does.
  Var<S> z = binary(op, x, y, [sign](const Batch<S>& a, const Batch<S>& b) {
    const Batch<S> d = (a - b) * sign;
    const Batch<S> larger = xsimd::select(d > S(0), a, b);
    return xsimd::select(a == a, larger, a);
  });
  return record(
      op, std::move(z),
      input(x, [x, y, sign](const Var<S>& g) { return sum_to(g * chosen(x, y, sign), x.shape()); }),
      input(y, [x, y, sign](const Var<S>& g) { return sum_to(g * chosen(y, x, sign), y.shape()); }));
}

}  // namespace

template <class S>
Var<S> maximum(const Var<S>& x, const Var<S>& y) {
  return extremum("maximum", x, y, S(1));
}
template <class S>
Var<S> minimum(const Var<S>& x, const Var<S>& y) {
  return extremum("minimum", x, y, S(-1));
}

template <class S>
Var<S> detail::where(const Mask& condition, const Var<S>& x, const Var<S>& y) {
  const Shape shape =
      broadcast_shapes("where", condition.shape(), broadcast_shapes("where", x.shape(), y.shape()));
  Var<S> z = Var<S>::uninitialized(shape);
  const kernel::LoopNest<3> nest(
      shape, {kernel::broadcast_strides(condition.shape(), shape),
              kernel::broadcast_strides(x.shape(), shape), kernel::broadcast_strides(y.shape(), shape)});
  S* out = z.get()->data.data();
  const std::size_t sc = nest.stride[0].back(), sx = nest.stride[1].back(), sy = nest.stride[2].back();
  nest.run([&](const std::array<std::size_t, 3>& at, std::size_t n) {
    const bool* c = condition.data() + at[0];
    const S* a = x.data() + at[1];
    const S* b = y.data() + at[2];
    for (std::size_t i = 0; i < n; ++i) out[i] = c[i * sc] ? a[i * sx] : b[i * sy];
    out += n;
  });
  // The rules hold a copy of the condition: not made when nobody records.
  if (!Tape::is_recording() && !detail::thread_state.detect_nonfinite) return z;
  return record("where", std::move(z),
                input(x,
                      [condition, s = x.shape()](const Var<S>& g) {
                        return sum_to(detail::where(condition, g, Var<S>(Tensor<S>(S(0)))), s);
                      }),
                input(y, [condition, s = y.shape()](const Var<S>& g) {
                  return sum_to(detail::where(condition, Var<S>(Tensor<S>(S(0))), g), s);
                }));
}

#define UNROLL_INSTANTIATE(S)                              \
  template Var<S> operator+(const Var<S>&, const Var<S>&); \
  template Var<S> operator-(const Var<S>&, const Var<S>&); \
  template Var<S> operator*(const Var<S>&, const Var<S>&); \
  template Var<S> operator/(const Var<S>&, const Var<S>&); \
  template Var<S> operator-(const Var<S>&);                \
  template Var<S> operator+(const Var<S>&, double);        \
  template Var<S> operator+(double, const Var<S>&);        \
  template Var<S> operator-(const Var<S>&, double);        \
  template Var<S> operator-(double, const Var<S>&);        \
  template Var<S> operator*(const Var<S>&, double);        \
  template Var<S> operator*(double, const Var<S>&);        \
  template Var<S> operator/(const Var<S>&, double);        \
  template Var<S> operator/(double, const Var<S>&);        \
  template Var<S> maximum(const Var<S>&, const Var<S>&);   \
  template Var<S> minimum(const Var<S>&, const Var<S>&);   \
  template Var<S> detail::where(const Mask&, const Var<S>&, const Var<S>&);
UNROLL_INSTANTIATE(float)
UNROLL_INSTANTIATE(double)
#undef UNROLL_INSTANTIATE

}  // namespace unroll
