#include <fmt/format.h>

#include <limits>

#include "framework/errors.hpp"
#include "framework/kernels/broadcast.hpp"
#include "framework/ops.hpp"
#include "framework/ops/check_size.hpp"
#include "framework/ops/listed.hpp"
#include "framework/ops/reshape_to.hpp"
#include "framework/program/trace.hpp"

namespace unroll {

void detail::check_size(const char* op, const Shape& shape) {
  constexpr std::size_t kMost = std::numeric_limits<std::ptrdiff_t>::max() / sizeof(double);
  std::size_t left = kMost;
  for (const std::size_t size : shape) {
    if (size > left) {
      throw ShapeError(
          fmt::format("[{}] shape: expected at most {} elements, got {}", op, kMost, to_string(shape)));
    }
    if (size != 0) left /= size;
  }
}

std::string detail::listed(std::span<const Index> numbers, const char* separator) {
  constexpr std::size_t kMost = 8;
  std::string text;
  for (std::size_t i = 0; i < numbers.size() && i < kMost; ++i) {
    if (i > 0) text += separator;
    text += fmt::to_string(numbers[i]);
  }
  if (numbers.size() > kMost) text += fmt::format("{}... {} in all", separator, numbers.size());
  return text;
}

template <class S>
Var<S> detail::reshape_to(const char* op, const Var<S>& x, const Shape& shape) {
  if (x.shape() == shape) return x;
  Var<S> y = Var<S>::uninitialized(shape);
  std::copy_n(x.elements(), x.size(), y.raw());
  trace_shape(Kind::reshape, x, y);
  return record(op, std::move(y),
                input(x, [op, s = x.shape()](const Var<S>& g) { return reshape_to(op, g, s); }));
}

template <class S>
Var<S> reshape(const Var<S>& x, const std::vector<Index>& shape) {
  const auto fail = [&](const char* want) {
    throw ShapeError(fmt::format("[reshape] shape: expected {}, got ({}) for x of shape {} ({} elements)",
                                 want, detail::listed(shape), to_string(x.shape()), x.size()));
  };
  if (shape.size() > kMaxRank) fail("at most 6 axes");
  Shape to(shape.size());
  std::size_t known = 1;  // elements, without the inferred axis
  std::size_t open = kMaxRank;
  for (std::size_t i = 0; i < shape.size(); ++i) {
    if (shape[i] == -1 && open == kMaxRank) {
      open = i;
      continue;
    }
    if (shape[i] < 0) fail("sizes >= 0, one of them may be -1");
    to[i] = static_cast<std::size_t>(shape[i]);
    known *= to[i];
  }
  detail::check_size("reshape", to);
  if (open < kMaxRank) {
    if (known == 0) fail("other sizes that determine the one at -1");
    to[open] = x.size() / known;
    known *= to[open];
  }
  if (known != x.size()) fail("as many elements as x has");
  return detail::reshape_to("reshape", x, to);
}

namespace {

// Output rows and columns that are transposed at a time: both fit the first-level cache.
constexpr std::size_t kTile = 16;

// out (rows, columns) = in (columns, rows)^T, with the row stride of each.
template <class S>
void transpose_plane(const S* in, std::size_t in_step, S* out, std::size_t out_step, std::size_t rows,
                     std::size_t columns) {
  for (std::size_t i0 = 0; i0 < rows; i0 += kTile) {
    const std::size_t i1 = std::min(rows, i0 + kTile);
    for (std::size_t j0 = 0; j0 < columns; j0 += kTile) {
      const std::size_t j1 = std::min(columns, j0 + kTile);
      for (std::size_t i = i0; i < i1; ++i) {
        for (std::size_t j = j0; j < j1; ++j) out[i * out_step + j] = in[j * in_step + i];
      }
    }
  }
}

// out (of this shape, row-major) = in; stride is in's step along each axis of out.
template <class S>
void copy_permuted(const S* in, const InlineVector<std::size_t>& stride, S* out, const Shape& shape) {
  kernel::LoopNest<2> nest(shape, {kernel::broadcast_strides(shape, shape), stride});
  if (nest.stride[1].back() == 1) {
    nest.run([&](const std::array<std::size_t, 2>& at, std::size_t n) {
      std::copy_n(in + at[1], n, out + at[0]);
    });
    return;
  }
  // One of out's axes before the last is the axis along which in is contiguous. The two form a plane, which
  // is transposed in tiles; the loops run over the other axes.
  const std::size_t last = nest.size.size() - 1;
  std::size_t contiguous = last;
  for (std::size_t i = 0; i < last; ++i) {
    if (nest.stride[1][i] == 1) contiguous = i;
  }
  const std::size_t rows = std::exchange(nest.size[contiguous], 1);
  const std::size_t columns = std::exchange(nest.size[last], 1);
  const std::size_t out_step = nest.stride[0][contiguous];
  const std::size_t in_step = nest.stride[1][last];
  if (columns == 0) return;
  nest.run([&](const std::array<std::size_t, 2>& at, std::size_t) {
    transpose_plane(in + at[1], in_step, out + at[0], out_step, rows, columns);
  });
}

template <class S>
Var<S> permute_axes(const char* op, const Var<S>& x, const InlineVector<std::size_t>& order) {
  const Shape& from = x.shape();
  const InlineVector<std::size_t> step = kernel::broadcast_strides(from, from);
  Shape shape(from.size());
  InlineVector<std::size_t> stride(from.size()), inverse(from.size());
  for (std::size_t i = 0; i < from.size(); ++i) {
    shape[i] = from[order[i]];
    stride[i] = step[order[i]];
    inverse[order[i]] = i;
  }
  Var<S> y = Var<S>::uninitialized(shape);
  copy_permuted(x.elements(), stride, y.raw(), shape);
  return record(op, std::move(y),
                input(x, [op, inverse](const Var<S>& g) { return permute_axes(op, g, inverse); }));
}

}  // namespace

template <class S>
Var<S> permute(const Var<S>& x, const std::vector<Index>& order) {
  const std::size_t rank = x.dimension();
  const auto fail = [&] {
    throw ShapeError(
        fmt::format("[permute] order: expected each of the {} axes of x once, got ({}) for x of shape {}",
                    rank, detail::listed(order), to_string(x.shape())));
  };
  if (order.size() != rank) fail();
  InlineVector<std::size_t> axes;
  for (Index axis : order) {
    const std::size_t i = normalize_axis("permute", axis, rank);
    if (std::find(axes.begin(), axes.end(), i) != axes.end()) fail();
    axes.push_back(i);
  }
  return permute_axes("permute", x, axes);
}

template <class S>
Var<S> transpose(const Var<S>& x, Index axis_a, Index axis_b) {
  InlineVector<std::size_t> order(x.dimension());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::swap(order[normalize_axis("transpose", axis_a, order.size())],
            order[normalize_axis("transpose", axis_b, order.size())]);
  return permute_axes("transpose", x, order);
}

template <class S>
Var<S> squeeze(const Var<S>& x, const Axes& axes) {
  const Shape& from = x.shape();
  std::array<bool, kMaxRank> removed{};
  for (std::size_t i = 0; axes.empty() && i < from.size(); ++i) removed[i] = from[i] == 1;
  for (Index axis : axes) {
    const std::size_t i = normalize_axis("squeeze", axis, from.size());
    if (from[i] != 1 || removed[i]) {
      throw ShapeError(
          fmt::format("[squeeze] axes: expected axes of size 1, each once, got ({}) for x of shape {}",
                      detail::listed(axes), to_string(from)));
    }
    removed[i] = true;
  }
  Shape to;
  for (std::size_t i = 0; i < from.size(); ++i) {
    if (!removed[i]) to.push_back(from[i]);
  }
  return detail::reshape_to("squeeze", x, to);
}

template <class S>
Var<S> unsqueeze(const Var<S>& x, Index axis) {
  const Shape& from = x.shape();
  if (from.size() == kMaxRank) {
    throw ShapeError(
        fmt::format("[unsqueeze] x: expected at most {} axes, got shape {}", kMaxRank - 1, to_string(from)));
  }
  const std::size_t at = normalize_axis("unsqueeze", axis, from.size() + 1);
  Shape to = from;
  to.insert(to.begin() + at, 1);
  return detail::reshape_to("unsqueeze", x, to);
}

template <class S>
Var<S> broadcast_to(const Var<S>& x, const Shape& shape) {
  const Shape& from = x.shape();
  if (from == shape) return x;
  bool fits = from.size() <= shape.size();
  for (std::size_t i = 1; fits && i <= from.size(); ++i) {
    const std::size_t size = from[from.size() - i];
    fits = size == 1 || size == shape[shape.size() - i];
  }
  if (!fits) {
    throw ShapeError(fmt::format(
        "[broadcast_to] x: expected a shape that broadcasts to {} (equal from the right, or 1), got {}",
        to_string(shape), to_string(from)));
  }
  detail::check_size("broadcast_to", shape);
  Var<S> y = Var<S>::uninitialized(shape);
  const kernel::LoopNest<1> nest(shape, {kernel::broadcast_strides(from, shape)});
  S* out = y.raw();
  const bool constant = nest.stride[0].back() == 0;
  nest.run([&](const std::array<std::size_t, 1>& at, std::size_t n) {
    const S* in = x.elements() + at[0];
    out = constant ? std::fill_n(out, n, *in) : std::copy_n(in, n, out);
  });
  detail::trace_shape(detail::Kind::fill, x, y);
  return record("broadcast_to", std::move(y), input(x, [s = from](const Var<S>& g) { return sum_to(g, s); }));
}

#define UNROLL_INSTANTIATE(S)                                                   \
  template Var<S> detail::reshape_to(const char*, const Var<S>&, const Shape&); \
  template Var<S> reshape(const Var<S>&, const std::vector<Index>&);            \
  template Var<S> permute(const Var<S>&, const std::vector<Index>&);            \
  template Var<S> transpose(const Var<S>&, Index, Index);                       \
  template Var<S> squeeze(const Var<S>&, const Axes&);                          \
  template Var<S> unsqueeze(const Var<S>&, Index);                              \
  template Var<S> broadcast_to(const Var<S>&, const Shape&);
UNROLL_INSTANTIATE(float)
UNROLL_INSTANTIATE(double)
#undef UNROLL_INSTANTIATE

}  // namespace unroll
