#include <algorithm>
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
using detail::ops_are_watched;
using kernel::Pointwise;
using kernel::pointwise;

template <class S>
[[gnu::noinline]] Var<S> broadcast(const char* op, const Var<S>& x, const Var<S>& y,
                                   const typename Pointwise<S>::Binary& f) {
  const Shape shape = broadcast_shapes(op, x.shape(), y.shape());
  Var<S> z = Var<S>::uninitialized(shape);
  kernel::map_broadcast(f, x.elements(), x.shape(), y.elements(), y.shape(), z.raw(), shape);
  detail::trace_binary(x, y, z, f);
  return z;
}

// Returns whether b's shape is a's without leading axes of size 1: their elements pair up in order.
bool is_flat(const Shape& a, const Shape& b) noexcept {
  if (a.size() < b.size()) return false;
  const std::size_t more = a.size() - b.size();
  return std::all_of(a.begin(), a.begin() + more, [](std::size_t size) { return size == 1; }) &&
         std::equal(b.begin(), b.end(), a.begin() + more);
}

// Inlined: an op on a small value costs little more than its calls.
template <class S>
[[gnu::always_inline]] inline Var<S> binary(const char* op, const Var<S>& x, const Var<S>& y,
                                            const typename Pointwise<S>::Binary& f) {
  const bool like_x = have_same_shape(x, y) || is_flat(x.shape(), y.shape());
  if (!like_x && !is_flat(y.shape(), x.shape())) return broadcast(op, x, y, f);
  Var<S> z = Var<S>::uninitialized_like(like_x ? x : y);
  f.same(x.elements(), y.elements(), z.raw(), x.size());
  detail::trace_binary(x, y, z, f);
  return z;
}

// A gradient in the shape of its input: summed, or, where only leading axes of size 1 differ, as it is.
template <class S>
Var<S> in_shape(Var<S>&& g, const Shape& shape) {
  if (!detail::is_spare(g) || !is_flat(g.shape(), shape)) return sum_to(g, shape);
  g.get()->data.resize(shape);  // keeps as many elements
  return detail::reuse(std::move(g));
}

// The gradient of a term of a sum, in the term's shape.
template <class S>
struct TermRule {
  Shape shape;
  Var<S> operator()(Var<S> g) const { return in_shape(std::move(g), shape); }
  bool add_to(const Var<S>& g, Tensor<S>& sum) const {
    if (!is_flat(g.shape(), sum.shape())) return false;
    pointwise<S>().add.same(g.elements(), sum.data(), sum.data(), sum.size());
    return true;
  }
};

}  // namespace

template <class S>
Var<S> operator+(const Var<S>& x, const Var<S>& y) {
  Var<S> z = binary("add", x, y, pointwise<S>().add);
  if (have_same_shape(x, y)) {
    return record("add", std::move(z), input(x, [](Var<S> g) { return g; }),
                  input(y, [](Var<S> g) { return g; }));
  }
  return record("add", std::move(z), input(x, TermRule<S>{x.shape()}), input(y, TermRule<S>{y.shape()}));
}

template <class S>
Var<S> operator-(const Var<S>& x, const Var<S>& y) {
  Var<S> z = binary("sub", x, y, pointwise<S>().subtract);
  if (have_same_shape(x, y)) {
    return record("sub", std::move(z), input(x, [](Var<S> g) { return g; }),
                  input(y, [](const Var<S>& g) { return -g; }));
  }
  return record("sub", std::move(z), input(x, TermRule<S>{x.shape()}),
                input(y, [s = y.shape()](const Var<S>& g) { return in_shape(-g, s); }));
}

namespace {

// sum += g other, if their elements pair up in order.
template <class S>
bool add_product(const Var<S>& g, const Var<S>& other, Tensor<S>& sum) {
  const bool pairs = have_same_shape(g.tensor(), sum) || is_flat(g.shape(), sum.shape());
  if (!pairs || g.size() != other.size() || !is_flat(g.shape(), other.shape())) return false;
  pointwise<S>().add_product(g.elements(), other.elements(), sum.data(), sum.size());
  return true;
}

// The gradient of one factor of a product of equal shapes.
template <class S>
struct FactorRule {
  Var<S> other;
  Var<S> operator()(Var<S> g) const { return chain(std::move(g), other); }
  bool add_to(const Var<S>& g, Tensor<S>& sum) const { return add_product(g, other, sum); }
};

// The same in the factor's shape, where the two differ: with a shape to hold.
template <class S>
struct BroadcastFactorRule {
  Var<S> other;
  Shape shape;
  Var<S> operator()(Var<S> g) const { return in_shape(chain(std::move(g), other), shape); }
  bool add_to(const Var<S>& g, Tensor<S>& sum) const { return add_product(g, other, sum); }
};

}  // namespace

template <class S>
Var<S> operator*(const Var<S>& x, const Var<S>& y) {
  Var<S> z = binary("mul", x, y, pointwise<S>().multiply);
  if (have_same_shape(x, y))
    return record("mul", std::move(z), input(x, FactorRule<S>{y}), input(y, FactorRule<S>{x}));
  return record("mul", std::move(z), input(x, BroadcastFactorRule<S>{y, x.shape()}),
                input(y, BroadcastFactorRule<S>{x, y.shape()}));
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

template <class S>
const typename Pointwise<S>::Binary& function(detail::Arithmetic op) {
  const auto& table = pointwise<S>();
  switch (op) {
    case detail::Arithmetic::add:
      return table.add;
    case detail::Arithmetic::subtract:
      return table.subtract;
    case detail::Arithmetic::multiply:
      return table.multiply;
    case detail::Arithmetic::divide:
      break;
  }
  return table.divide;
}

}  // namespace

template <class S>
Var<S> detail::combine(Arithmetic op, Var<S>&& x, Var<S>&& y) {
  return is_spare(x) ? combine(op, std::move(x), std::as_const(y))
                     : combine(op, std::as_const(x), std::move(y));
}
template <class S>
Var<S> detail::combine(Arithmetic op, Var<S>&& x, const Var<S>& y) {
  return apply_over(std::move(x), x, y, function<S>(op));
}
template <class S>
Var<S> detail::combine(Arithmetic op, const Var<S>& x, Var<S>&& y) {
  return apply_over(std::move(y), x, y, function<S>(op));
}

template <class S>
Var<S> operator*(Var<S>&& x, double c) {
  if (!detail::is_spare(x)) return std::as_const(x) * c;
  pointwise<S>().times(x.raw(), x.raw(), x.size(), static_cast<S>(c));
  return detail::reuse(std::move(x));
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
  if (!ops_are_watched()) return z;
  if (have_same_shape(g, d)) {
    return record("mul", std::move(z), input(g, [d](const Var<S>& u) { return chain(u, d); }),
                  input(d, [g](const Var<S>& u) { return mutual(u, g); }));
  }
  return record("mul", std::move(z),
                input(g, [d, s = g.shape()](const Var<S>& u) { return sum_to(chain(u, d), s); }),
                input(d, [g, s = d.shape()](const Var<S>& u) { return sum_to(mutual(u, g), s); }));
}

template <class S>
Var<S> detail::chain(Var<S>&& g, const Var<S>& d) {
  const bool pairs = have_same_shape(g, d) || is_flat(g.shape(), d.shape());
  if (ops_are_watched() || !pairs) return chain(std::as_const(g), d);
  return apply_over(std::move(g), g, d, pointwise<S>().times_if_nonzero);
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
                input(x, [](Var<S> g) { return g; }));
}
template <class S>
Var<S> operator+(double c, const Var<S>& x) {
  return x + c;
}
template <class S>
Var<S> operator-(const Var<S>& x, double c) {
  return record("sub", apply(x, pointwise<S>().minus, static_cast<S>(c)),
                input(x, [](Var<S> g) { return g; }));
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
    pointwise<S>().select(c, sc, x.elements() + at[1], sx, y.elements() + at[2], sy, out, n);
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

#define UNROLL_INSTANTIATE(S)                                           \
  template Var<S> operator+(const Var<S>&, const Var<S>&);              \
  template Var<S> operator-(const Var<S>&, const Var<S>&);              \
  template Var<S> operator*(const Var<S>&, const Var<S>&);              \
  template Var<S> operator/(const Var<S>&, const Var<S>&);              \
  template Var<S> operator-(const Var<S>&);                             \
  template Var<S> detail::combine(Arithmetic, Var<S>&&, Var<S>&&);      \
  template Var<S> detail::combine(Arithmetic, Var<S>&&, const Var<S>&); \
  template Var<S> detail::combine(Arithmetic, const Var<S>&, Var<S>&&); \
  template Var<S> operator*(Var<S>&&, double);                          \
  template Var<S> detail::chain(const Var<S>&, const Var<S>&);          \
  template Var<S> detail::chain(Var<S>&&, const Var<S>&);               \
  template Var<S> detail::chain(const Var<S>&, double);                 \
  template Var<S> detail::chain_over(const Var<S>&, const Var<S>&);     \
  template Var<S> detail::chain_over(const Var<S>&, double);            \
  template Var<S> operator+(const Var<S>&, double);                     \
  template Var<S> operator+(double, const Var<S>&);                     \
  template Var<S> operator-(const Var<S>&, double);                     \
  template Var<S> operator-(double, const Var<S>&);                     \
  template Var<S> operator*(const Var<S>&, double);                     \
  template Var<S> operator*(double, const Var<S>&);                     \
  template Var<S> operator/(const Var<S>&, double);                     \
  template Var<S> operator/(double, const Var<S>&);                     \
  template Var<S> maximum(const Var<S>&, const Var<S>&);                \
  template Var<S> minimum(const Var<S>&, const Var<S>&);                \
  template Var<S> detail::where(const Mask&, const Var<S>&, const Var<S>&);
UNROLL_INSTANTIATE(float)
UNROLL_INSTANTIATE(double)
#undef UNROLL_INSTANTIATE

}  // namespace unroll
