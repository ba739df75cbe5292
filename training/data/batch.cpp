#include "training/data/batch.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "framework/errors.hpp"

namespace unroll {
namespace {

// rows of `width` elements of sample b: row t goes to (t,b,...) of a tensor (T,B,...).
template <class T>
void place(std::span<const T> rows, std::size_t width, std::size_t b, std::size_t count, Tensor<T>& to) {
  for (std::size_t at = 0, t = 0; at < rows.size(); at += width, ++t)
    std::copy_n(rows.data() + at, width, to.data() + (t * count + b) * width);
}

}  // namespace

template <class S>
Batch<S> make_batch(const SequenceDataset<S>& data, std::span<const Index> samples,
                    const PaddingOptions& options) {
  if (samples.empty()) throw ShapeError("[make_batch] samples: expected at least one, got none");
  Batch<S> batch;
  std::size_t steps = 0;
  for (const Index sample : samples) {
    if (sample < 0 || static_cast<std::size_t>(sample) >= data.size())
      throw ShapeError(
          fmt::format("[make_batch] samples: expected positions in [0, {}), got {}", data.size(), sample));
    const std::size_t length = data.length(static_cast<std::size_t>(sample));
    batch.lengths.push_back(static_cast<Index>(length));
    steps = std::max(steps, length);
  }
  batch.samples.assign(samples.begin(), samples.end());
  const std::size_t count = samples.size(), width = data.features(), targets = data.target_size();
  const TargetKind kind = data.target_kind();
  if (data.has_ids()) {
    batch.ids = full<std::int64_t>({steps, count}, options.padding_id);
  } else {
    batch.values = zeros<S>({steps, count, width});
  }
  if (kind == TargetKind::label) batch.labels = empty<std::int64_t>({count});
  if (kind == TargetKind::step_labels)
    batch.labels = full<std::int64_t>({steps, count}, options.ignore_index);
  if (kind == TargetKind::vector) batch.targets = empty<S>({count, targets});
  if (kind == TargetKind::step_vectors) batch.targets = zeros<S>({steps, count, targets});
  for (std::size_t b = 0; b < count; ++b) {
    const auto sample = static_cast<std::size_t>(samples[b]);
    place(data.ids(sample), 1, b, count, batch.ids);
    place(data.values(sample), width, b, count, batch.values);
    place(data.labels(sample), 1, b, count, batch.labels);
    place(data.target(sample), targets, b, count, batch.targets);
    if (kind == TargetKind::step_labels || kind == TargetKind::label) {
      const auto labels = data.labels(sample);
      batch.weight += labels.size() - static_cast<std::size_t>(
                                          std::count(labels.begin(), labels.end(), options.ignore_index));
    } else {
      batch.weight += kind == TargetKind::step_vectors ? data.length(sample) : 1;
    }
  }
  return batch;
}

template Batch<float> make_batch(const SequenceDataset<float>&, std::span<const Index>,
                                 const PaddingOptions&);
template Batch<double> make_batch(const SequenceDataset<double>&, std::span<const Index>,
                                  const PaddingOptions&);

}  // namespace unroll
