#include <fmt/format.h>

#include <cmath>

#include "framework/errors.hpp"
#include "framework/kernels/broadcast.hpp"
#include "framework/kernels/reduce_axes.hpp"
#include "framework/ops.hpp"
#include "framework/ops/apply.hpp"
#include "framework/ops/chain.hpp"
#include "framework/ops/listed.hpp"
#include "framework/ops/reshape_to.hpp"

namespace unroll {
namespace {

using detail::chain;
using detail::chain_over;
using kernel::AxisSet;
using kernel::pointwise;
using kernel::Reductions;
using kernel::reductions;

AxisSet axis_set(const char* op, const Axes& axes, std::size_t rank) {
  if (axes.empty()) return (AxisSet{1} << rank) - 1;
  AxisSet set = 0;
  for (Index axis : axes) {
    const std::size_t i = normalize_axis(op, axis, rank);
    if (kernel::contains(set, i)) {
      throw ShapeError(fmt::format("[{}] axes: expected each axis once, got ({}): axis {} is given twice", op,
                                   detail::listed(axes), i));
    }
    set |= AxisSet{1} << i;
  }
  return set;
}

// x's shape with size 1 on the reduced axes, or without them.
Shape reduced_shape(const Shape& shape, AxisSet axes, bool keepdims) {
  Shape out;
  for (std::size_t i = 0; i < shape.size(); ++i) {
    if (!kernel::contains(axes, i)) {
      out.push_back(shape[i]);
    } else if (keepdims) {
      out.push_back(1);
    }
  }
  return out;
}

std::size_t reduced_count(const Shape& shape, AxisSet axes) {
  std::size_t n = 1;
  for (std::size_t i = 0; i < shape.size(); ++i) {
    if (kernel::contains(axes, i)) n *= shape[i];
  }
  return n;
}

// A reduced value in a shape that broadcasts to the shape it was reduced from.
template <class S>
Var<S> keep(const Var<S>& y, const Shape& shape, AxisSet axes) {
  const bool leading_axes_only = (axes & (axes + 1)) == 0;
  if (leading_axes_only) return y;
  return detail::reshape_to("reshape", y, reduced_shape(shape, axes, true));
}

template <class S>
Var<S> reduce(typename Reductions<S>::Function f, const Var<S>& x, AxisSet axes, bool keepdims) {
  Var<S> y = Var<S>::uninitialized(reduced_shape(x.shape(), axes, keepdims));
  kernel::reduce(f, x.elements(), x.shape(), axes, y.raw());
  detail::trace_reduce(f, x, y, axes);
  return y;
}

// f(x, y), where y is x reduced over axes; y's elements are repeated along them.
template <class S>
Tensor<S> map_with_reduced(const typename kernel::Pointwise<S>::Binary& f, const Var<S>& x, const S* y,
                           AxisSet axes) {
  Tensor<S> z(x.shape());
  kernel::map_broadcast(f, x.elements(), x.shape(), y, reduced_shape(x.shape(), axes, true), z.data(),
                        x.shape());
  return z;
}

}  // namespace

template <class S>
Var<S> sum(const Var<S>& x, const Axes& axes, bool keepdims) {
  const AxisSet set = axis_set("sum", axes, x.dimension());
  return record("sum", reduce(reductions<S>().sum, x, set, keepdims),
                input(x, [s = x.shape(), set](const Var<S>& g) { return broadcast_to(keep(g, s, set), s); }));
}

template <class S>
Var<S> mean(const Var<S>& x, const Axes& axes, bool keepdims) {
  const AxisSet set = axis_set("mean", axes, x.dimension());
  const auto n = static_cast<double>(reduced_count(x.shape(), set));
  Var<S> y = reduce(reductions<S>().sum, x, set, keepdims);
  // Not in place: a trace has to see it.
  return record("mean", detail::apply(y, pointwise<S>().divided_by, static_cast<S>(n)),
                input(x, [s = x.shape(), set, n](const Var<S>& g) {
                  return broadcast_to(chain_over(keep(g, s, set), n), s);
                }));
}

namespace {

// 1/k for each of the k elements that equal the extremum y, else 0. Piecewise constant, so it has no
// gradient. A NaN among the elements is their extremum and gets the gradient.
template <class S>
Var<S> shares(const Var<S>& x, const Var<S>& y, AxisSet axes) {
  const Var<S> chosen(map_with_reduced(pointwise<S>().is_same, x, y.elements(), axes));
  const Var<S> count = reduce(reductions<S>().sum, chosen, axes, true);
  return Var<S>(map_with_reduced(pointwise<S>().divide, chosen, count.elements(), axes));
}

template <class S>
Var<S> extremum(const char* op, typename Reductions<S>::Function f, const Var<S>& x, const Axes& axes,
                bool keepdims) {
  const AxisSet set = axis_set(op, axes, x.dimension());
  if (reduced_count(x.shape(), set) == 0) {
    throw ShapeError(
        fmt::format("[{}] x: expected at least one element to choose from, got shape {} over axes ({})", op,
                    to_string(x.shape()), detail::listed(axes)));
  }
  Var<S> y = reduce(f, x, set, keepdims);
  return record(op, y, input(x, [x, y, set](const Var<S>& g) {
                  return chain(shares(x, y, set), keep(g, x.shape(), set));
                }));
}

}  // namespace

template <class S>
Var<S> max(const Var<S>& x, const Axes& axes, bool keepdims) {
  return extremum("max", reductions<S>().max, x, axes, keepdims);
}

template <class S>
Var<S> min(const Var<S>& x, const Axes& axes, bool keepdims) {
  return extremum("min", reductions<S>().min, x, axes, keepdims);
}

namespace {

template <class S, class Predicate>
Mask mask_if(const Var<S>& y, Predicate unfit) {
  Mask mask(y.shape());
  std::transform(y.elements(), y.elements() + y.size(), mask.data(), unfit);
  return mask;
}

// y, with a constant in place of elements that cannot be divided by or subtracted.
template <class S, class Predicate>
Var<S> replace_if(const Var<S>& y, Predicate unfit, double constant) {
  if (std::none_of(y.elements(), y.elements() + y.size(), unfit)) return y;
  return masked_fill(y, mask_if(y, unfit), constant);
}

}  // namespace

template <class S>
Var<S> logsumexp(const Var<S>& x, const Axes& axes, bool keepdims) {
  const AxisSet set = axis_set("logsumexp", axes, x.dimension());
  // log(sum(exp(x))) = m + log(sum(exp(x - m))) with m = max(x); an infinite m would give inf - inf.
  Var<S> m = reduce(reductions<S>().max, x, set, keepdims);
  for (S& element : m.get()->data) {
    if (std::isinf(element)) element = S(0);
  }
  const Var<S> e(map_with_reduced(pointwise<S>().exp_of_difference, x, m.elements(), set));
  Var<S> y = reduce(reductions<S>().sum, e, set, keepdims);
  S* out = y.raw();
  pointwise<S>().log_plus.same(out, m.elements(), out, y.size());
  // d/dx = w / sum(w) with w = exp(x - y). The sum is 1 up to the rounding of a large y, which the division
  // removes. If all elements are -inf, so is y, and the gradient is 0. If y is inf, it is NaN at the infinite
  // elements and 0 at the others.
  return record("logsumexp", y, input(x, [x, y, set](const Var<S>& g) {
                  const auto is_lowest = [](S v) { return v == -std::numeric_limits<S>::infinity(); };
                  const auto is_no_sum = [](S v) { return !(v > S(0)); };
                  const Var<S> shift = keep(replace_if(y, is_lowest, 0.0), x.shape(), set);
                  const Var<S> w = exp(x - shift);
                  const Var<S> total = replace_if(sum_to(w, shift.shape()), is_no_sum, 1.0);
                  return chain(chain_over(keep(g, x.shape(), set), total), w);
                }));
}

template <class S>
Var<S> norm(const Var<S>& x, const Axes& axes, bool keepdims) {
  const AxisSet set = axis_set("norm", axes, x.dimension());
  Var<S> squares = Var<S>::uninitialized(x.shape());
  pointwise<S>().square(x.elements(), squares.raw(), x.size());
  Var<S> y = reduce(reductions<S>().sum, squares, set, keepdims);
  S* out = y.raw();
  pointwise<S>().sqrt(out, out, y.size());
  // d/dx = x / y, 0 where y is 0.
  return record("norm", y, input(x, [x, y, set](const Var<S>& g) {
                  constexpr S kInfinity = std::numeric_limits<S>::infinity();
                  const auto is_regular = [](S v) { return v > S(0) && v < kInfinity; };
                  if (std::all_of(y.elements(), y.elements() + y.size(), is_regular))
                    return x * keep(g / y, x.shape(), set);
                  // Divided first: for an infinite x the result is NaN, not the 0 of x (g / y).
                  const auto is_zero = [](S v) { return v == S(0); };
                  const Var<S> unit = x / keep(replace_if(y, is_zero, 1.0), x.shape(), set);
                  return chain(keep(masked_fill(g, mask_if(y, is_zero), 0.0), x.shape(), set), unit);
                }));
}

namespace {

// Sums along axis (of n), from its first element on or from its last. Accumulated in double, as in PyTorch:
// one chain of n additions is less accurate than sum().
template <class S>
Var<S> running_sum(const Var<S>& x, std::size_t axis, bool from_last) {
  const Shape& shape = x.shape();
  const std::size_t n = shape[axis];
  std::size_t inner = 1;
  for (std::size_t i = axis + 1; i < shape.size(); ++i) inner *= shape[i];
  Var<S> y = Var<S>::uninitialized(shape);
  std::vector<double> carry(inner);
  for (std::size_t start = 0; start < x.size(); start += n * inner) {
    std::fill(carry.begin(), carry.end(), 0.0);
    for (std::size_t i = 0; i < n; ++i) {
      const std::size_t row = start + (from_last ? n - 1 - i : i) * inner;
      const S* in = x.elements() + row;
      S* out = y.raw() + row;
      for (std::size_t j = 0; j < inner; ++j) {
        carry[j] += static_cast<double>(in[j]);
        out[j] = static_cast<S>(carry[j]);
      }
    }
  }
  return record("cumsum", std::move(y),
                input(x, [axis, from_last](const Var<S>& g) { return running_sum(g, axis, !from_last); }));
}

}  // namespace

template <class S>
Var<S> cumsum(const Var<S>& x, Index axis) {
  return running_sum(x, normalize_axis("cumsum", axis, x.dimension()), false);
}

template <class S>
Var<S> sum_to(const Var<S>& x, const Shape& shape) {
  const Shape& from = x.shape();
  if (from == shape) return x;
  const std::size_t added = from.size() - std::min(from.size(), shape.size());
  AxisSet axes = (AxisSet{1} << added) - 1;
  bool fits = shape.size() <= from.size();
  for (std::size_t i = 0; fits && i < shape.size(); ++i) {
    if (shape[i] == from[added + i]) continue;
    fits = shape[i] == 1;
    axes |= AxisSet{1} << (added + i);
  }
  if (!fits) {
    throw ShapeError(fmt::format("[sum_to] shape: expected one that broadcasts to {}, got {}",
                                 to_string(from), to_string(shape)));
  }
  if (element_count(shape) == x.size()) return detail::reshape_to("sum_to", x, shape);
  Var<S> y = Var<S>::uninitialized(shape);
  kernel::reduce(reductions<S>().sum, x.elements(), from, axes, y.raw());
  detail::trace_reduce(reductions<S>().sum, x, y, axes);
  return record("sum_to", std::move(y), input(x, [s = from](const Var<S>& g) { return broadcast_to(g, s); }));
}

#define UNROLL_INSTANTIATE(S)                                  \
  template Var<S> sum(const Var<S>&, const Axes&, bool);       \
  template Var<S> mean(const Var<S>&, const Axes&, bool);      \
  template Var<S> max(const Var<S>&, const Axes&, bool);       \
  template Var<S> min(const Var<S>&, const Axes&, bool);       \
  template Var<S> logsumexp(const Var<S>&, const Axes&, bool); \
  template Var<S> norm(const Var<S>&, const Axes&, bool);      \
  template Var<S> cumsum(const Var<S>&, Index);                \
  template Var<S> sum_to(const Var<S>&, const Shape&);
UNROLL_INSTANTIATE(float)
UNROLL_INSTANTIATE(double)
#undef UNROLL_INSTANTIATE

}  // namespace unroll
