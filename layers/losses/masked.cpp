#include "layers/losses.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "framework/errors.hpp"

namespace unroll {
namespace {

// Values with zeros after each sequence's end, and the number of steps of each sequence.
template <class S>
struct Masked {
  Var<S> values;
  std::size_t time_axis = 0, batch_axis = 1;
  std::vector<std::size_t> lengths;  // (B)
};

template <class S>
Masked<S> mask(const char* name, const Var<S>& values, const std::vector<Index>& lengths,
               const MaskedOptions& options) {
  const Shape& shape = values.shape();
  if (shape.size() < 2) {
    throw ShapeError(fmt::format("[{}] values: expected {}, got {}", name,
                                 options.batch_first ? "(B,T,...)" : "(T,B,...)", to_string(shape)));
  }
  Masked<S> masked;
  if (options.batch_first) std::swap(masked.time_axis, masked.batch_axis);
  const std::size_t steps = shape[masked.time_axis], batch = shape[masked.batch_axis];
  if (!lengths.empty() && lengths.size() != batch) {
    throw ShapeError(fmt::format("[{}] lengths: expected {} entries (one per sequence of {}), got {}", name,
                                 batch, to_string(shape), lengths.size()));
  }
  masked.lengths.assign(batch, steps);
  Shape ends(shape.size(), 1);
  ends[masked.time_axis] = steps;
  ends[masked.batch_axis] = batch;
  Mask padding(ends, false);
  bool ragged = false;
  for (std::size_t b = 0; b < lengths.size(); ++b) {
    if (lengths[b] < 0 || static_cast<std::size_t>(lengths[b]) > steps) {
      throw ArgumentError(fmt::format("[{}] lengths[{}]: expected 0..{} (T of the values' {}), got {}", name,
                                      b, steps, to_string(shape), lengths[b]));
    }
    masked.lengths[b] = static_cast<std::size_t>(lengths[b]);
    for (std::size_t t = masked.lengths[b]; t < steps; ++t) {
      padding.data()[options.batch_first ? b * steps + t : t * batch + b] = true;
      ragged = true;
    }
  }
  masked.values = ragged ? masked_fill(values, padding, 0.0) : values;
  return masked;
}

template <class S>
Var<S> over_time(const Masked<S>& masked) {
  return sum(masked.values, {static_cast<Index>(masked.time_axis)});
}

}  // namespace

template <class S>
Var<S> masked_sum(const Var<S>& values, const std::vector<Index>& lengths, const MaskedOptions& options) {
  return sum(mask("masked_sum", values, lengths, options).values);
}

template <class S>
Var<S> masked_mean(const Var<S>& values, const std::vector<Index>& lengths, const MaskedOptions& options) {
  const Masked<S> masked = mask("masked_mean", values, lengths, options);
  std::size_t count = 0;
  for (const std::size_t length : masked.lengths) count += length;
  for (std::size_t axis = 2; axis < values.dimension(); ++axis) count *= values.shape()[axis];
  return sum(masked.values) / static_cast<double>(count);
}

template <class S>
Var<S> masked_sum_over_time(const Var<S>& values, const std::vector<Index>& lengths,
                            const MaskedOptions& options) {
  return over_time(mask("masked_sum_over_time", values, lengths, options));
}

template <class S>
Var<S> masked_mean_over_time(const Var<S>& values, const std::vector<Index>& lengths,
                             const MaskedOptions& options) {
  const Masked<S> masked = mask("masked_mean_over_time", values, lengths, options);
  Shape column(values.dimension() - 1, 1);
  column[0] = masked.lengths.size();
  Tensor<S> steps(column);
  std::transform(masked.lengths.begin(), masked.lengths.end(), steps.data(),
                 [](std::size_t length) { return static_cast<S>(length); });
  return over_time(masked) / Var<S>(std::move(steps));
}

#define UNROLL_INSTANTIATE(S)                                                                           \
  template Var<S> masked_sum(const Var<S>&, const std::vector<Index>&, const MaskedOptions&);           \
  template Var<S> masked_mean(const Var<S>&, const std::vector<Index>&, const MaskedOptions&);          \
  template Var<S> masked_sum_over_time(const Var<S>&, const std::vector<Index>&, const MaskedOptions&); \
  template Var<S> masked_mean_over_time(const Var<S>&, const std::vector<Index>&, const MaskedOptions&);
UNROLL_INSTANTIATE(float)
UNROLL_INSTANTIATE(double)
#undef UNROLL_INSTANTIATE

}  // namespace unroll
