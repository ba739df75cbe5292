#include <cmath>

#include "framework/kernels/broadcast.hpp"
#include "framework/ops.hpp"
#include "framework/ops/apply.hpp"
#include "framework/ops/chain.hpp"

namespace unroll {
namespace {

using detail::apply;
using detail::chain;
using detail::chain_over;
using kernel::Pointwise;
using kernel::pointwise;

template <class S>
[[gnu::noinline]] Var<S> broadcast(const char* op, const Var<S>& x, const Var<S>& y,
                                   const typename Pointwise<S>::Binary& f) {
  const Shape shape = broadcast_shapes(op, x.shape(), y.shape());
  Var<S> z = Var<S>::uninitialized(shape);
  kernel::map_broadcast(f, x.data(), x.shape(), y.data(), y.shape(), z.raw(), shape);
  return z;
}

// Inlined: an op on a small value costs little more than its calls.
template <class S>
[[gnu::always_inline]] inline Var<S> binary(const char* op, const Var<S>& x, const Var<S>& y,
                                            const typename Pointwise<S>::Binary& f) {
  if (x.shape() != y.shape()) return broadcast(op, x, y, f);
  Var<S> z = Var<S>::uninitialized(x.shape());
  f.same(x.data(), y.data(), z.raw(), x.size());
  return z;
}

}  // namespace

template <class S>
Var<S> operator+(const Var<S>& x, const Var<S>& y) {
  Var<S> z = binary("add", x, y, pointwise<S>().add);
  if (x.shape() == y.shape()) {
    return record("add", std::move(z), input(x, [](const Var<S>& g) { return g; }),
                  input(y, [](const Var<S>& g) { return g; }));
  }
  return record("add", std::move(z), input(x, [s = x.shape()](const Var<S>& g) { return sum_to(g, s); }),
                input(y, [s = y.shape()](const Var<S>& g) { return sum_to(g, s); }));
}

template <class S>
Var<S> operator-(const Var<S>& x, const Var<S>& y) {
  Var<S> z = binary("sub", x, y, pointwise<S>().subtract);
  if (x.shape() == y.shape()) {
    return record("sub", std::move(z), input(x, [](const Var<S>& g) { return g; }),
                  input(y, [](const Var<S>& g) { return -g; }));
  }
  return record("sub", std::move(z), input(x, [s = x.shape()](const Var<S>& g) { return sum_to(g, s); }),
                input(y, [s = y.shape()](const Var<S>& g) { return sum_to(-g, s); }));
}

template <class S>
Var<S> operator*(const Var<S>& x, const Var<S>& y) {
  Var<S> z = binary("mul", x, y, pointwise<S>().multiply);
  if (x.shape() == y.shape()) {
    return record("mul", std::move(z), input(x, [y](const Var<S>& g) { return chain(g, y); }),
                  input(y, [x](const Var<S>& g) { return chain(g, x); }));
  }
  return record("mul", std::move(z),
                input(x, [y, s = x.shape()](const Var<S>& g) { return sum_to(chain(g, y), s); }),
                input(y, [x, s = y.shape()](const Var<S>& g) { return sum_to(chain(g, x), s); }));
}

template <class S>
Var<S> operator/(const Var<S>& x, const Var<S>& y) {
  Var<S> z = binary("div", x, y, pointwise<S>().divide);
  // d(x/y)/dx = 1/y, d(x/y)/dy = -(x/y)/y
  return record("div", z,
                input(x, [y, s = x.shape()](const Var<S>& g) { return sum_to(chain_over(g, y), s); }),
                input(y, [y, z](const Var<S>& g) { return sum_to(-chain_over(chain(g, z), y), y.shape()); }));
}

namespace {

// a b, but 0 where a or b is 0: the gradient of chain() with respect to its second factor.
template <class S>
Var<S> mutual(const Var<S>& a, const Var<S>& b) {
  return record("mul", binary("mul", a, b, pointwise<S>().times_if_both_nonzero),
                input(a, [b, s = a.shape()](const Var<S>& u) { return sum_to(mutual(u, b), s); }),
                input(b, [a, s = b.shape()](const Var<S>& u) { return sum_to(mutual(u, a), s); }));
}

}  // namespace

template <class S>
Var<S> detail::chain(const Var<S>& g, const Var<S>& d) {
  Var<S> z = binary("mul", g, d, pointwise<S>().times_if_nonzero);
  if (g.shape() == d.shape()) {
    return record("mul", std::move(z), input(g, [d](const Var<S>& u) { return chain(u, d); }),
                  input(d, [g](const Var<S>& u) { return mutual(u, g); }));
  }
  return record("mul", std::move(z),
                input(g, [d, s = g.shape()](const Var<S>& u) { return sum_to(chain(u, d), s); }),
                input(d, [g, s = d.shape()](const Var<S>& u) { return sum_to(mutual(u, g), s); }));
}

template <class S>
Var<S> detail::chain_over(const Var<S>& g, const Var<S>& d) {
  Var<S> z = binary("div", g, d, pointwise<S>().over_if_nonzero);
  return record(
      "div", z, input(g, [d, s = g.shape()](const Var<S>& u) { return sum_to(chain_over(u, d), s); }),
      input(d, [d, z](const Var<S>& u) { return sum_to(-chain_over(mutual(u, z), d), d.shape()); }));
}

template <class S>
Var<S> detail::chain(const Var<S>& g, double d) {
  const auto factor = static_cast<S>(d);
  return std::isfinite(factor) ? g * d : chain(g, Var<S>(Tensor<S>(factor)));
}

template <class S>
Var<S> detail::chain_over(const Var<S>& g, double d) {
  const auto divisor = static_cast<S>(d);
  return divisor < S(0) || divisor > S(0) ? g / d : chain_over(g, Var<S>(Tensor<S>(divisor)));
}

template <class S>
Var<S> operator-(const Var<S>& x) {
  return record("neg", apply(x, pointwise<S>().negate), input(x, [](const Var<S>& g) { return -g; }));
}

template <class S>
Var<S> operator+(const Var<S>& x, double c) {
  return record("add", apply(x, pointwise<S>().plus, static_cast<S>(c)),
                input(x, [](const Var<S>& g) { return g; }));
}
template <class S>
Var<S> operator+(double c, const Var<S>& x) {
  return x + c;
}
template <class S>
Var<S> operator-(const Var<S>& x, double c) {
  return record("sub", apply(x, pointwise<S>().minus, static_cast<S>(c)),
                input(x, [](const Var<S>& g) { return g; }));
}
template <class S>
Var<S> operator-(double c, const Var<S>& x) {
  return record("sub", apply(x, pointwise<S>().subtracted_from, static_cast<S>(c)),
                input(x, [](const Var<S>& g) { return -g; }));
}
template <class S>
Var<S> operator*(const Var<S>& x, double c) {
  return record("mul", apply(x, pointwise<S>().times, static_cast<S>(c)),
                input(x, [c](const Var<S>& g) { return chain(g, c); }));
}
template <class S>
Var<S> operator*(double c, const Var<S>& x) {
  return x * c;
}
template <class S>
Var<S> operator/(const Var<S>& x, double c) {
  return record("div", apply(x, pointwise<S>().divided_by, static_cast<S>(c)),
                input(x, [c](const Var<S>& g) { return chain_over(g, c); }));
}
template <class S>
Var<S> operator/(double c, const Var<S>& x) {
  Var<S> z = apply(x, pointwise<S>().divide_into, static_cast<S>(c));
  return record("div", z, input(x, [x, z](const Var<S>& g) { return -chain_over(chain(g, z), x); }));
}

namespace {

// share is the part of the gradient for the first of two operands: 1 where it is chosen, 1/2 on ties, else 0.
// Piecewise constant, so it has no gradient.
template <class S>
Var<S> extremum(const char* op, const Var<S>& x, const Var<S>& y, const typename Pointwise<S>::Binary& f,
                const typename Pointwise<S>::Binary& share) {
  return record(
      op, binary(op, x, y, f),
      input(x, [x, y, op,
                share](const Var<S>& g) { return sum_to(chain(binary(op, x, y, share), g), x.shape()); }),
      input(y, [x, y, op, share](const Var<S>& g) {
        return sum_to(chain(binary(op, y, x, share), g), y.shape());
      }));
}

}  // namespace

template <class S>
Var<S> maximum(const Var<S>& x, const Var<S>& y) {
  return extremum("maximum", x, y, pointwise<S>().maximum, pointwise<S>().share_of_larger);
}
template <class S>
Var<S> minimum(const Var<S>& x, const Var<S>& y) {
  return extremum("minimum", x, y, pointwise<S>().minimum, pointwise<S>().share_of_smaller);
}

template <class S>
Var<S> detail::where(const Mask& condition, const Var<S>& x, const Var<S>& y) {
  const Shape shape =
      broadcast_shapes("where", condition.shape(), broadcast_shapes("where", x.shape(), y.shape()));
  Var<S> z = Var<S>::uninitialized(shape);
  const kernel::LoopNest<3> nest(
      shape, {kernel::broadcast_strides(condition.shape(), shape),
              kernel::broadcast_strides(x.shape(), shape), kernel::broadcast_strides(y.shape(), shape)});
  S* out = z.raw();
  const std::size_t sc = nest.stride[0].back(), sx = nest.stride[1].back(), sy = nest.stride[2].back();
  nest.run([&](const std::array<std::size_t, 3>& at, std::size_t n) {
    const auto* c = reinterpret_cast<const std::uint8_t*>(condition.data()) + at[0];
    pointwise<S>().select(c, sc, x.data() + at[1], sx, y.data() + at[2], sy, out, n);
    out += n;
  });
  // The rules hold a copy of the condition, which is made only while a tape records.
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

#define UNROLL_INSTANTIATE(S)                                       \
  template Var<S> operator+(const Var<S>&, const Var<S>&);          \
  template Var<S> operator-(const Var<S>&, const Var<S>&);          \
  template Var<S> operator*(const Var<S>&, const Var<S>&);          \
  template Var<S> operator/(const Var<S>&, const Var<S>&);          \
  template Var<S> operator-(const Var<S>&);                         \
  template Var<S> detail::chain(const Var<S>&, const Var<S>&);      \
  template Var<S> detail::chain(const Var<S>&, double);             \
  template Var<S> detail::chain_over(const Var<S>&, const Var<S>&); \
  template Var<S> detail::chain_over(const Var<S>&, double);        \
  template Var<S> operator+(const Var<S>&, double);                 \
  template Var<S> operator+(double, const Var<S>&);                 \
  template Var<S> operator-(const Var<S>&, double);                 \
  template Var<S> operator-(double, const Var<S>&);                 \
  template Var<S> operator*(const Var<S>&, double);                 \
  template Var<S> operator*(double, const Var<S>&);                 \
  template Var<S> operator/(const Var<S>&, double);                 \
  template Var<S> operator/(double, const Var<S>&);                 \
  template Var<S> maximum(const Var<S>&, const Var<S>&);            \
  template Var<S> minimum(const Var<S>&, const Var<S>&);            \
  template Var<S> detail::where(const Mask&, const Var<S>&, const Var<S>&);
UNROLL_INSTANTIATE(float)
UNROLL_INSTANTIATE(double)
#undef UNROLL_INSTANTIATE

}  // namespace unroll
