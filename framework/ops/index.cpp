#include <fmt/format.h>

#include <limits>
#include <memory>

#include "framework/errors.hpp"
#include "framework/kernels/blocks.hpp"
#include "framework/kernels/broadcast.hpp"
#include "framework/ops.hpp"
#include "framework/program/trace.hpp"

namespace unroll {
namespace {

// --- equally spaced positions: slice, select ---

// `count` positions along an axis, `step` apart.
struct Positions {
  std::size_t axis;
  std::size_t start;
  Index step;
  std::size_t count;
};

// Copies between x, seen around the axis, and y, the tensor of the chosen positions; out: from x.
template <bool out, class X, class Y>
void copy_positions(X* x, const kernel::AxisView& view, const Positions& at, Y* y) {
  const std::size_t n = view.inner;
  const std::size_t step = static_cast<std::size_t>(at.step) * n;
  for (std::size_t o = 0; o < view.outer; ++o) {
    X* chosen = x + (o * view.size + at.start) * n;
    if constexpr (out) {
      kernel::copy_blocks(chosen, step, y + o * at.count * n, n, at.count, n);
    } else {
      kernel::copy_blocks(y + o * at.count * n, n, chosen, step, at.count, n);
    }
  }
}

template <class S>
Var<S> put(const char* op, const Var<S>& x, const Positions& at, const Shape& shape);

// Returns x at these positions, as a tensor of this shape (with the axis or without it).
template <class S>
Var<S> take(const char* op, const Var<S>& x, const Positions& at, const Shape& shape) {
  Var<S> y = Var<S>::uninitialized(shape);
  if (y.size() != 0) {
    copy_positions<true>(x.elements(), kernel::AxisView(x.shape(), at.axis), at, y.raw());
  }
  if (at.step == 1 && shape.size() == x.dimension())
    detail::trace_columns(detail::Kind::cut, x, y, at.axis, at.start);
  return record(op, std::move(y),
                input(x, [op, at, s = x.shape()](const Var<S>& g) { return put(op, g, at, s); }));
}

// Returns zeros of this shape with x at these positions: the gradient of take.
template <class S>
Var<S> put(const char* op, const Var<S>& x, const Positions& at, const Shape& shape) {
  Var<S> y(zeros<S>(shape));
  if (x.size() != 0) {
    copy_positions<false>(y.raw(), kernel::AxisView(shape, at.axis), at, x.elements());
  }
  if (at.step == 1 && shape.size() == x.dimension())
    detail::trace_columns(detail::Kind::pad, x, y, at.axis, at.start);
  return record(op, std::move(y),
                input(x, [op, at, s = x.shape()](const Var<S>& g) { return take(op, g, at, s); }));
}

// Python's slice.indices().
Positions positions(const Range& range, std::size_t axis, std::size_t axis_size) {
  if (range.step == 0) throw ArgumentError("[slice] step: expected a number other than 0, got 0");
  const auto size = static_cast<Index>(axis_size);
  const Index step = std::max(range.step, -std::numeric_limits<Index>::max());  // so that -step exists
  const Index lowest = step < 0 ? -1 : 0;
  const Index highest = step < 0 ? size - 1 : size;
  const auto clip = [&](Index at) { return at < 0 ? std::max(at + size, lowest) : std::min(at, highest); };
  const Index start = range.start ? clip(*range.start) : (step < 0 ? highest : lowest);
  const Index stop = range.stop ? clip(*range.stop) : (step < 0 ? lowest : highest);
  Index count = 0;
  if (step > 0 && start < stop) count = (stop - start - 1) / step + 1;
  if (step < 0 && stop < start) count = (start - stop - 1) / -step + 1;
  return {axis, count == 0 ? 0 : static_cast<std::size_t>(start), step, static_cast<std::size_t>(count)};
}

// --- listed positions: index_select, embedding ---

// Integer arguments are copied once, and only for a tape; rules of all orders share the copy.
using Held = std::shared_ptr<const IndexTensor>;

Held hold(const IndexTensor& indices) {
  return Tape::is_recording() ? std::allocate_shared<const IndexTensor>(PoolAllocator<IndexTensor>(), indices)
                              : nullptr;
}

// Copies rows along an axis, in the order of indices; row `skipped` reads as 0 and receives nothing.
struct Rows {
  std::size_t axis;
  Index skipped = -1;
};

void check_indices(const char* op, const char* argument, const IndexTensor& indices, std::size_t size) {
  for (std::size_t k = 0; k < indices.size(); ++k) {
    const std::int64_t i = indices.data()[k];
    if (i < 0 || static_cast<std::uint64_t>(i) >= size) {
      throw ShapeError(
          fmt::format("[{}] {}: expected 0 <= index < {}, got {} (element {})", op, argument, size, i, k));
    }
  }
}

// shape: of the result, that is, x's with the axis replaced by the axes of indices.
template <class S>
Var<S> copy_rows(const Var<S>& x, const Rows& rows, const IndexTensor& indices, const Shape& shape) {
  Var<S> y = Var<S>::uninitialized(shape);
  const kernel::AxisView view(x.shape(), rows.axis);
  const S* from = x.elements();
  S* to = y.raw();
  for (std::size_t o = 0; o < view.outer; ++o, from += view.size * view.inner) {
    for (std::size_t k = 0; k < indices.size(); ++k, to += view.inner) {
      const std::int64_t i = indices.data()[k];
      if (i == rows.skipped) {
        std::fill_n(to, view.inner, S(0));
      } else {
        std::copy_n(from + static_cast<std::size_t>(i) * view.inner, view.inner, to);
      }
    }
  }
  return y;
}

template <class S>
Var<S> add_rows(const char* op, const Var<S>& x, const Rows& rows, const IndexTensor& indices,
                const Held& held, const Shape& shape);

template <class S>
Var<S> take_rows(const char* op, const Var<S>& x, const Rows& rows, const IndexTensor& indices,
                 const Held& held, const Shape& shape) {
  return record(op, copy_rows(x, rows, indices, shape),
                input(x, [op, rows, held, s = x.shape()](const Var<S>& g) {
                  return add_rows(op, g, rows, *held, held, s);
                }));
}

// Returns zeros of this shape plus the rows of x, each at its index: the gradient of take_rows.
template <class S>
Var<S> add_rows(const char* op, const Var<S>& x, const Rows& rows, const IndexTensor& indices,
                const Held& held, const Shape& shape) {
  Var<S> y(zeros<S>(shape));
  const kernel::AxisView view(shape, rows.axis);
  const S* from = x.elements();
  S* to = y.raw();
  for (std::size_t o = 0; o < view.outer; ++o, to += view.size * view.inner) {
    for (std::size_t k = 0; k < indices.size(); ++k, from += view.inner) {
      const std::int64_t i = indices.data()[k];
      if (i == rows.skipped) continue;
      S* row = to + static_cast<std::size_t>(i) * view.inner;
      for (std::size_t e = 0; e < view.inner; ++e) row[e] += from[e];
    }
  }
  return record(op, std::move(y), input(x, [op, rows, held, s = x.shape()](const Var<S>& g) {
                  return take_rows(op, g, rows, *held, held, s);
                }));
}

// --- element by element: gather, scatter_add ---

// Calls f(k, offset): element k of indices is the element at offset of a tensor of this shape.
template <class F>
void for_each_indexed(const IndexTensor& indices, std::size_t axis, const Shape& shape, F&& f) {
  InlineVector<std::size_t> strides(shape.size(), 0);
  std::size_t step = 1, axis_step = 1;
  for (std::size_t i = shape.size(); i-- > 0; step *= shape[i]) {
    if (i == axis) {
      axis_step = step;
    } else {
      strides[i] = step;
    }
  }
  const kernel::LoopNest<1> nest(indices.shape(), {strides});
  std::size_t k = 0;
  nest.run([&](const std::array<std::size_t, 1>& at, std::size_t n) {
    const std::size_t inner_step = nest.stride[0].back();
    for (std::size_t i = 0; i < n; ++i, ++k) {
      f(k, at[0] + i * inner_step + static_cast<std::size_t>(indices.data()[k]) * axis_step);
    }
  });
}

void check_gather(const char* op, const IndexTensor& indices, std::size_t axis, const Shape& shape) {
  bool fits = indices.dimension() == shape.size();
  for (std::size_t i = 0; fits && i < shape.size(); ++i) fits = i == axis || indices.shape()[i] <= shape[i];
  if (!fits) {
    throw ShapeError(fmt::format(
        "[{}] indices: expected as many axes as x {} and no larger sizes except on axis {}, got {}", op,
        to_string(shape), axis, to_string(indices.shape())));
  }
  check_indices(op, "indices", indices, shape[axis]);
}

template <class S>
Var<S> add_indexed(Tensor<S> y, std::size_t axis, const IndexTensor& indices, const Var<S>& source) {
  S* to = y.data();
  const S* from = source.elements();
  for_each_indexed(indices, axis, y.shape(), [&](std::size_t k, std::size_t at) { to[at] += from[k]; });
  return Var<S>(std::move(y));
}

template <class S>
Var<S> scatter(const Var<S>& source, std::size_t axis, const IndexTensor& indices, const Held& held,
               const Shape& shape);

template <class S>
Var<S> gather(const Var<S>& x, std::size_t axis, const IndexTensor& indices, const Held& held) {
  Var<S> y = Var<S>::uninitialized(indices.shape());
  S* to = y.raw();
  const S* from = x.elements();
  for_each_indexed(indices, axis, x.shape(), [&](std::size_t k, std::size_t at) { to[k] = from[at]; });
  return record("gather", std::move(y), input(x, [axis, held, s = x.shape()](const Var<S>& g) {
                  return scatter(g, axis, *held, held, s);
                }));
}

// scatter_add onto zeros of this shape: the gradient of gather.
template <class S>
Var<S> scatter(const Var<S>& source, std::size_t axis, const IndexTensor& indices, const Held& held,
               const Shape& shape) {
  return record("gather", add_indexed(zeros<S>(shape), axis, indices, source),
                input(source, [axis, held](const Var<S>& g) { return gather(g, axis, *held, held); }));
}

// --- whole tensors: flip, masked_fill ---

template <class S>
Var<S> reverse_axes(const Var<S>& x, const std::array<bool, kMaxRank>& reversed) {
  Var<S> y = Var<S>::uninitialized(x.shape());
  const Shape& shape = x.shape();
  // Offsets and strides in unsigned arithmetic: a backward step is its two's complement.
  InlineVector<std::size_t> strides(shape.size(), 0);
  std::size_t step = 1, first = 0;
  for (std::size_t i = shape.size(); i-- > 0; step *= shape[i]) {
    strides[i] = reversed[i] ? std::size_t{0} - step : step;
    if (reversed[i]) first += (shape[i] - 1) * step;
  }
  const kernel::LoopNest<1> nest(shape, {strides});
  S* to = y.raw();
  if (y.size() != 0) {
    nest.run([&](const std::array<std::size_t, 1>& at, std::size_t n) {
      kernel::copy_blocks(x.elements() + (first + at[0]), nest.stride[0].back(), to, 1, n, 1);
      to += n;
    });
  }
  return record("flip", std::move(y),
                input(x, [reversed](const Var<S>& g) { return reverse_axes(g, reversed); }));
}

template <class S>
Var<S> fill_where(const Var<S>& x, const Mask& mask, const std::shared_ptr<const Mask>& held, S value) {
  Var<S> y = Var<S>::uninitialized(x.shape());
  const kernel::LoopNest<1> nest(x.shape(), {kernel::broadcast_strides(mask.shape(), x.shape())});
  const std::size_t step = nest.stride[0].back();
  const S* from = x.elements();
  S* to = y.raw();
  nest.run([&](const std::array<std::size_t, 1>& at, std::size_t n) {
    const auto* m = reinterpret_cast<const std::uint8_t*>(mask.data()) + at[0];
    kernel::pointwise<S>().select(m, step, &value, 0, from, 1, to, n);
    from += n;
    to += n;
  });
  return record("masked_fill", std::move(y),
                input(x, [held](const Var<S>& g) { return fill_where(g, *held, held, S(0)); }));
}

}  // namespace

template <class S>
Var<S> slice(const Var<S>& x, Index axis, Range range) {
  const std::size_t at = normalize_axis("slice", axis, x.dimension());
  Shape shape = x.shape();
  const Positions chosen = positions(range, at, shape[at]);
  shape[at] = chosen.count;
  return take("slice", x, chosen, shape);
}

template <class S>
Var<S> select(const Var<S>& x, Index axis, Index position) {
  const std::size_t at = normalize_axis("select", axis, x.dimension());
  const auto size = static_cast<Index>(x.shape()[at]);
  if (position < -size || position >= size) {
    throw ShapeError(fmt::format("[select] position: expected {} <= position < {} (axis {} of {}), got {}",
                                 -size, size, at, to_string(x.shape()), position));
  }
  Shape shape = x.shape();
  shape.erase(shape.begin() + at);
  return take("select", x, {at, static_cast<std::size_t>(position < 0 ? position + size : position), 1, 1},
              shape);
}

template <class S>
Var<S> index_select(const Var<S>& x, Index axis, const IndexTensor& indices) {
  const std::size_t at = normalize_axis("index_select", axis, x.dimension());
  if (indices.dimension() != 1) {
    throw ShapeError(fmt::format("[index_select] indices: expected (N), got {}", to_string(indices.shape())));
  }
  Shape shape = x.shape();
  check_indices("index_select", "indices", indices, shape[at]);
  shape[at] = indices.size();
  return take_rows("index_select", x, {at}, indices, hold(indices), shape);
}

template <class S>
Var<S> gather(const Var<S>& x, Index axis, const IndexTensor& indices) {
  const std::size_t at = normalize_axis("gather", axis, x.dimension());
  check_gather("gather", indices, at, x.shape());
  return gather(x, at, indices, hold(indices));
}

template <class S>
Var<S> scatter_add(const Var<S>& x, Index axis, const IndexTensor& indices, const Var<S>& source) {
  const std::size_t at = normalize_axis("scatter_add", axis, x.dimension());
  if (indices.shape() != source.shape()) {
    throw ShapeError(fmt::format("[scatter_add] source: expected {} (the shape of indices), got {}",
                                 to_string(indices.shape()), to_string(source.shape())));
  }
  check_gather("scatter_add", indices, at, x.shape());
  const Held held = hold(indices);
  return record("scatter_add", add_indexed(x.value(), at, indices, source),
                input(x, [](const Var<S>& g) { return g; }),
                input(source, [at, held](const Var<S>& g) { return gather(g, at, *held, held); }));
}

template <class S>
Var<S> flip(const Var<S>& x, const Axes& axes) {
  std::array<bool, kMaxRank> reversed{};
  for (Index axis : axes) {
    bool& flag = reversed[normalize_axis("flip", axis, x.dimension())];
    if (flag) throw ShapeError(fmt::format("[flip] axes: expected each axis once, got axis {} twice", axis));
    flag = true;
  }
  return reverse_axes(x, reversed);
}

template <class S>
Var<S> masked_fill(const Var<S>& x, const Mask& mask, double value) {
  if (broadcast_shapes("masked_fill", x.shape(), mask.shape()) != x.shape()) {
    throw ShapeError(fmt::format("[masked_fill] mask: expected a shape that broadcasts to x's {}, got {}",
                                 to_string(x.shape()), to_string(mask.shape())));
  }
  const auto held =
      Tape::is_recording() ? std::allocate_shared<const Mask>(PoolAllocator<Mask>(), mask) : nullptr;
  return fill_where(x, mask, held, static_cast<S>(value));
}

template <class S>
Var<S> embedding(const Var<S>& weight, const IndexTensor& ids, std::optional<Index> padding_id) {
  if (weight.dimension() != 2) {
    throw ShapeError(fmt::format("[embedding] weight: expected (V,E), got {}", to_string(weight.shape())));
  }
  const auto vocabulary = static_cast<Index>(weight.shape()[0]);
  Rows rows{0};
  if (padding_id) {
    if (*padding_id < -vocabulary || *padding_id >= vocabulary) {
      throw ShapeError(fmt::format("[embedding] padding_id: expected {} <= padding_id < {}, got {}",
                                   -vocabulary, vocabulary, *padding_id));
    }
    rows.skipped = *padding_id < 0 ? *padding_id + vocabulary : *padding_id;
  }
  if (ids.dimension() == kMaxRank) {
    throw ShapeError(fmt::format("[embedding] ids: expected at most {} axes, got {}", kMaxRank - 1,
                                 to_string(ids.shape())));
  }
  check_indices("embedding", "ids", ids, weight.shape()[0]);
  Shape shape = ids.shape();
  shape.push_back(weight.shape()[1]);
  // The padding row is read like any other; only its gradient is left out.
  const Held held = hold(ids);
  return record("embedding", copy_rows(weight, {0}, ids, shape),
                input(weight, [rows, held, s = weight.shape()](const Var<S>& g) {
                  return add_rows("embedding", g, rows, *held, held, s);
                }));
}

#define UNROLL_INSTANTIATE(S)                                                           \
  template Var<S> slice(const Var<S>&, Index, Range);                                   \
  template Var<S> select(const Var<S>&, Index, Index);                                  \
  template Var<S> index_select(const Var<S>&, Index, const IndexTensor&);               \
  template Var<S> gather(const Var<S>&, Index, const IndexTensor&);                     \
  template Var<S> scatter_add(const Var<S>&, Index, const IndexTensor&, const Var<S>&); \
  template Var<S> flip(const Var<S>&, const Axes&);                                     \
  template Var<S> masked_fill(const Var<S>&, const Mask&, double);                      \
  template Var<S> embedding(const Var<S>&, const IndexTensor&, std::optional<Index>);
UNROLL_INSTANTIATE(float)
UNROLL_INSTANTIATE(double)
#undef UNROLL_INSTANTIATE

}  // namespace unroll
