#include <fmt/format.h>

#include <array>
#include <numeric>

#include "framework/anomaly.hpp"
#include "framework/errors.hpp"
#include "framework/kernels/blocks.hpp"
#include "framework/ops.hpp"
#include "framework/ops/check_size.hpp"
#include "framework/ops/listed.hpp"
#include "framework/program/trace.hpp"

namespace unroll {
namespace {

using Sizes = PooledVector<Index>;

// Splits axis into pieces of these sizes; with drop_axis each size is 1 and the pieces lack the axis. One op,
// so that its gradient is one joined tensor and not the sum of one full-size tensor per piece.
template <class Pieces, class S>
Pieces cut(const char* op, const Var<S>& x, const Sizes& sizes, std::size_t axis, bool drop_axis);

// Returns one such piece, for callers that do not need all.
template <class S>
Var<S> cut_one(const Var<S>& x, std::size_t axis, Index at, Index size, bool drop_axis) {
  const auto along = static_cast<Index>(axis);
  return drop_axis ? select(x, along, at) : slice(x, along, {at, at + size});
}

// The inverse: parts of these sizes along axis of the result; with new_axis they lack it.
template <class S>
Var<S> join(const char* op, std::span<const Var<S>> parts, const Sizes& sizes, std::size_t axis,
            bool new_axis) {
  Shape shape = parts.front().shape();
  if (new_axis) shape.insert(shape.begin() + axis, 0);
  shape[axis] = static_cast<std::size_t>(std::accumulate(sizes.begin(), sizes.end(), Index{0}));
  std::array result{Var<S>::uninitialized(shape)};
  const kernel::AxisView view(shape, axis);
  const std::size_t row = view.size * view.inner;
  S* to = result.front().raw();
  for (std::size_t k = 0; result.front().size() != 0 && k < parts.size(); ++k) {
    const std::size_t run = static_cast<std::size_t>(sizes[k]) * view.inner;
    kernel::copy_blocks(parts[k].elements(), run, to, row, view.outer, run);
    to += run;
  }
  if (!new_axis) detail::trace_join(parts, result.front(), axis);
  if (parts.size() == 2) {  // the usual [x, h] of a cell: cheaper than an op with several outputs
    return record(op, std::move(result.front()),
                  input(parts[0], [axis, n = sizes[0],
                                   new_axis](const Var<S>& g) { return cut_one(g, axis, 0, n, new_axis); }),
                  input(parts[1], [axis, n = sizes[0], m = sizes[1], new_axis](const Var<S>& g) {
                    return cut_one(g, axis, n, m, new_axis);
                  }));
  }
  if (!Tape::is_recording() && !DetectNonfinite::active()) return std::move(result.front());
  record_multi_output<S>(
      op, result, parts,
      [op, sizes, axis, new_axis](const VarList<S>& upstream, const NeedsGrad& needs_grad) {
        const Var<S>& g = upstream.front();
        if (std::find(needs_grad.begin(), needs_grad.end(), false) == needs_grad.end())
          return cut<VarList<S>>(op, g, sizes, axis, new_axis);
        VarList<S> gradients(sizes.size());
        Index at = 0;
        for (std::size_t k = 0; k < sizes.size(); at += sizes[k++]) {
          if (needs_grad[k]) gradients[k] = cut_one(g, axis, at, sizes[k], new_axis);
        }
        return gradients;
      });
  return std::move(result.front());
}

template <class Pieces, class S>
Pieces cut(const char* op, const Var<S>& x, const Sizes& sizes, std::size_t axis, bool drop_axis) {
  const kernel::AxisView view(x.shape(), axis);
  const std::size_t row = view.size * view.inner;
  Shape shape = x.shape();
  if (drop_axis) shape.erase(shape.begin() + axis);
  const auto piece_shape = [axis, drop_axis](Shape piece, Index size) {
    if (!drop_axis) piece[axis] = static_cast<std::size_t>(size);
    return piece;
  };
  Pieces pieces;
  pieces.reserve(sizes.size());
  const S* from = x.elements();
  for (Index size : sizes) {
    const std::size_t run = static_cast<std::size_t>(size) * view.inner;
    pieces.push_back(Var<S>::uninitialized(piece_shape(shape, size)));
    if (x.size() == 0) continue;
    kernel::copy_blocks(from, row, pieces.back().raw(), run, view.outer, run);
    if (!drop_axis) {
      const auto first = static_cast<std::size_t>(from - x.elements()) / view.inner;
      detail::trace_columns(detail::Kind::cut, x, pieces.back(), axis, first);
    }
    from += run;
  }
  if (pieces.empty() || (!Tape::is_recording() && !DetectNonfinite::active())) return pieces;
  record_multi_output<S>(
      op, pieces, std::span(&x, 1),
      [op, sizes, axis, drop_axis, shape, piece_shape](const VarList<S>& upstream, const NeedsGrad&) {
        VarList<S> parts = upstream;
        for (std::size_t k = 0; k < parts.size(); ++k) {
          if (parts[k].defined()) continue;
          parts[k] = Var<S>(zeros<S>(piece_shape(shape, sizes[k])));
          detail::trace_zeros(parts[k]);
        }
        return VarList<S>{join<S>(op, parts, sizes, axis, drop_axis)};
      });
  return pieces;
}

template <class S>
void check_not_empty(const char* op, const std::vector<Var<S>>& parts) {
  if (parts.empty()) throw ArgumentError(fmt::format("[{}] parts: expected at least one, got none", op));
}

}  // namespace

template <class S>
Var<S> concat(const std::vector<Var<S>>& parts, Index axis) {
  check_not_empty("concat", parts);
  const Shape& first = parts.front().shape();
  const std::size_t at = normalize_axis("concat", axis, first.size());
  Sizes sizes;
  sizes.reserve(parts.size());
  for (std::size_t k = 0; k < parts.size(); ++k) {
    Shape expected = first;
    if (parts[k].dimension() == first.size()) expected[at] = parts[k].shape()[at];
    if (parts[k].shape() != expected) {
      throw ShapeError(fmt::format("[concat] parts[{}]: expected {} (any size on axis {}), got {}", k,
                                   to_string(first), at, to_string(parts[k].shape())));
    }
    sizes.push_back(static_cast<Index>(expected[at]));
  }
  return join<S>("concat", parts, sizes, at, false);
}

template <class S>
Var<S> stack(const std::vector<Var<S>>& parts, Index axis) {
  check_not_empty("stack", parts);
  const Shape& first = parts.front().shape();
  if (first.size() == kMaxRank) {
    throw ShapeError(
        fmt::format("[stack] parts: expected at most {} axes, got {}", kMaxRank - 1, to_string(first)));
  }
  const std::size_t at = normalize_axis("stack", axis, first.size() + 1);
  for (std::size_t k = 1; k < parts.size(); ++k) {
    if (parts[k].shape() != first) {
      throw ShapeError(fmt::format("[stack] parts[{}]: expected {} (the shape of parts[0]), got {}", k,
                                   to_string(first), to_string(parts[k].shape())));
    }
  }
  return join<S>("stack", parts, Sizes(parts.size(), 1), at, true);
}

template <class S>
std::vector<Var<S>> split(const Var<S>& x, const std::vector<Index>& sizes, Index axis) {
  const std::size_t at = normalize_axis("split", axis, x.dimension());
  auto left = static_cast<Index>(x.shape()[at]);
  bool fits = true;
  for (Index size : sizes) {
    if (size < 0) throw ArgumentError(fmt::format("[split] sizes: expected >= 0, got {}", size));
    fits = fits && size <= left;
    if (fits) left -= size;
  }
  if (!fits || left != 0) {
    throw ShapeError(fmt::format("[split] sizes: expected a sum of {} (axis {} of {}), got {}", x.shape()[at],
                                 at, to_string(x.shape()), detail::listed(sizes, " + ")));
  }
  return cut<std::vector<Var<S>>>("split", x, Sizes(sizes.begin(), sizes.end()), at, false);
}

template <class S>
std::vector<Var<S>> chunk(const Var<S>& x, Index count, Index axis) {
  if (count < 1) throw ArgumentError(fmt::format("[chunk] count: expected >= 1, got {}", count));
  const std::size_t at = normalize_axis("chunk", axis, x.dimension());
  const auto total = static_cast<Index>(x.shape()[at]);
  if (total == 0)
    return cut<std::vector<Var<S>>>("chunk", x, Sizes(static_cast<std::size_t>(count), 0), at, false);
  const Index size = (total - 1) / count + 1;
  Sizes sizes(static_cast<std::size_t>(total / size), size);
  if (total % size != 0) sizes.push_back(total % size);
  return cut<std::vector<Var<S>>>("chunk", x, sizes, at, false);
}

template <class S>
std::vector<Var<S>> unbind(const Var<S>& x, Index axis) {
  const std::size_t at = normalize_axis("unbind", axis, x.dimension());
  return cut<std::vector<Var<S>>>("unbind", x, Sizes(x.shape()[at], 1), at, true);
}

template <class S>
Var<S> pad(const Var<S>& x, Index axis, Index before, Index after, double value) {
  if (before < 0 || after < 0) {
    throw ArgumentError(
        fmt::format("[pad] before and after: expected >= 0, got {} and {} (slice cuts)", before, after));
  }
  const std::size_t at = normalize_axis("pad", axis, x.dimension());
  const kernel::AxisView view(x.shape(), at);
  Shape shape = x.shape();
  for (const Index more : {before, after}) {
    shape[at] += static_cast<std::size_t>(more);  // at most 2^63 more: no sum of two wraps around
    detail::check_size("pad", shape);
  }
  Var<S> y(full<S>(shape, static_cast<S>(value)));
  if (x.size() != 0) {
    const std::size_t run = view.size * view.inner;
    kernel::copy_blocks(x.elements(), run, y.raw() + static_cast<std::size_t>(before) * view.inner,
                        shape[at] * view.inner, view.outer, run);
  }
  return record("pad", std::move(y), input(x, [at, before, size = view.size](const Var<S>& g) {
                  return slice(g, static_cast<Index>(at), {before, before + static_cast<Index>(size)});
                }));
}

#define UNROLL_INSTANTIATE(S)                                                          \
  template Var<S> concat(const std::vector<Var<S>>&, Index);                           \
  template Var<S> stack(const std::vector<Var<S>>&, Index);                            \
  template std::vector<Var<S>> split(const Var<S>&, const std::vector<Index>&, Index); \
  template std::vector<Var<S>> chunk(const Var<S>&, Index, Index);                     \
  template std::vector<Var<S>> unbind(const Var<S>&, Index);                           \
  template Var<S> pad(const Var<S>&, Index, Index, Index, double);
UNROLL_INSTANTIATE(float)
UNROLL_INSTANTIATE(double)
#undef UNROLL_INSTANTIATE

}  // namespace unroll
