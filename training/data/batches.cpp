#include "training/data/batches.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <exception>
#include <numeric>

#include "framework/errors.hpp"
#include "training/data/content_hash.hpp"
#include "training/moved_from.hpp"

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

double PaddingReport::share() const noexcept {
  return padded_steps == 0 ? 0.0 : 1.0 - static_cast<double>(real_steps) / static_cast<double>(padded_steps);
}

double PaddingReport::saved() const noexcept {
  if (unbucketed_steps == 0) return 0.0;
  return 1.0 - static_cast<double>(padded_steps) / static_cast<double>(unbucketed_steps);
}

template <class S>
Batches<S>::Batches(SequenceDataset<S> data, const BatchOptions& options, Augment augment)
    : data_(std::move(data)), options_(options), augment_(std::move(augment)) {
  const auto require = [](bool good, const char* want, Index got) {
    if (!good) throw ArgumentError(fmt::format("[Batches] {}, got {}", want, got));
  };
  require(!data_.empty(), "data: expected at least one sample", 0);
  require(options_.batch_size >= 1, "batch_size: expected >= 1", options_.batch_size);
  require(options_.bucket_batches >= 0, "bucket_batches: expected >= 0", options_.bucket_batches);
  require(options_.num_samples >= 0, "num_samples: expected >= 0", options_.num_samples);
  if (options_.num_samples > 0 && !options_.shuffle)
    throw ArgumentError("[Batches] num_samples: needs shuffle = true (samples are drawn at random)");
  const Index samples = options_.num_samples > 0 ? options_.num_samples : static_cast<Index>(data_.size());
  if (options_.drop_last && samples < options_.batch_size) {
    throw ArgumentError(fmt::format(
        "[Batches] batch_size: expected at most {} with drop_last (the samples of an epoch), got {}", samples,
        options_.batch_size));
  }
  start_epoch(1);
}

// The samples of an epoch, as they come before bucketing.
template <class S>
std::vector<Index> Batches<S>::draw(Rng& rng) const {
  const auto n = static_cast<Index>(data_.size());
  std::vector<Index> drawn;
  if (options_.num_samples > 0) {
    try {
      drawn.resize(static_cast<std::size_t>(options_.num_samples));
    } catch (const std::exception&) {
      throw ArgumentError(fmt::format("[Batches] num_samples: expected as many as memory can hold, got {}",
                                      options_.num_samples));
    }
    for (Index& sample : drawn) sample = rng.below(n);
  } else if (options_.shuffle) {
    drawn = rng.permutation(n);
  } else {
    drawn.resize(data_.size());
    std::iota(drawn.begin(), drawn.end(), Index{0});
  }
  const auto size = static_cast<std::size_t>(options_.batch_size);
  if (options_.drop_last) drawn.resize(drawn.size() / size * size);
  return drawn;
}

template <class S>
void Batches<S>::start_epoch(std::int64_t epoch) {
  detail::require_contents(!data_.empty(), "Batches.start_epoch");
  if (epoch < 1)
    throw ArgumentError(fmt::format("[Batches.start_epoch] epoch: expected >= 1, got {}", epoch));
  Rng rng(detail::epoch_seed(options_.seed, epoch));
  const auto size = static_cast<std::size_t>(options_.batch_size);
  std::vector<Index> drawn = draw(rng);
  std::vector<Index> order = drawn;
  if (options_.bucket_batches > 0) {
    const auto batches = static_cast<std::size_t>(options_.bucket_batches);
    const std::size_t bucket = batches > order.size() / size ? order.size() : batches * size;
    for (std::size_t begin = 0; begin < order.size(); begin += bucket) {
      const auto first = order.begin() + static_cast<std::ptrdiff_t>(begin);
      const auto last = order.begin() + static_cast<std::ptrdiff_t>(std::min(begin + bucket, order.size()));
      std::stable_sort(first, last, [&](Index a, Index b) {
        return data_.length(static_cast<std::size_t>(a)) > data_.length(static_cast<std::size_t>(b));
      });
    }
  }
  const std::size_t count = (order.size() + size - 1) / size;
  std::vector<Index> batch_order(count);
  std::iota(batch_order.begin(), batch_order.end(), Index{0});
  // Sorting has put the long sequences of every bucket in front.
  if (options_.bucket_batches > 0 && options_.shuffle)
    batch_order = rng.permutation(static_cast<Index>(count));

  std::vector<Index> placed;
  std::vector<std::size_t> begins{0};
  for (const Index b : batch_order) {
    const std::size_t begin = static_cast<std::size_t>(b) * size, end = std::min(begin + size, order.size());
    placed.insert(placed.end(), order.begin() + static_cast<std::ptrdiff_t>(begin),
                  order.begin() + static_cast<std::ptrdiff_t>(end));
    begins.push_back(placed.size());
  }
  epoch_ = epoch;
  drawn_ = std::move(drawn);
  order_ = std::move(placed);
  begins_ = std::move(begins);
}

template <class S>
Batch<S> Batches<S>::batch(std::size_t i) const {
  detail::require_contents(size() > 0, "Batches.batch");
  if (i >= size())
    throw ArgumentError(fmt::format("[Batches.batch] i: expected 0..{}, got {}", size() - 1, i));
  const std::span<const Index> samples(order_.data() + begins_[i], begins_[i + 1] - begins_[i]);
  Batch<S> batch = make_batch(data_, samples, options_.padding);
  if (augment_) {
    // Another stream of numbers than the order's.
    Rng rng(detail::epoch_seed(detail::epoch_seed(options_.seed, epoch_), static_cast<std::int64_t>(i) + 1));
    augment_(batch, rng);
  }
  return batch;
}

template <class S>
std::size_t Batches<S>::batch_steps(const std::vector<Index>& order, std::size_t begin,
                                    std::size_t end) const {
  std::size_t longest = 0;
  for (std::size_t k = begin; k < end; ++k)
    longest = std::max(longest, data_.length(static_cast<std::size_t>(order[k])));
  return longest * (end - begin);
}

template <class S>
PaddingReport Batches<S>::padding() const {
  PaddingReport report;
  if (data_.empty()) return report;
  for (const Index sample : order_) report.real_steps += data_.length(static_cast<std::size_t>(sample));
  for (std::size_t i = 0; i < size(); ++i)
    report.padded_steps += batch_steps(order_, begins_[i], begins_[i + 1]);
  const auto step = static_cast<std::size_t>(options_.batch_size);
  for (std::size_t begin = 0; begin < drawn_.size(); begin += step)
    report.unbucketed_steps += batch_steps(drawn_, begin, std::min(begin + step, drawn_.size()));
  return report;
}

template class Batches<float>;
template class Batches<double>;

TextStream::TextStream(std::vector<std::int64_t> ids, const TextStreamOptions& options)
    : ids_(std::move(ids)) {
  if (options.batch_size < 1 || options.window < 1) {
    throw ArgumentError(fmt::format("[TextStream] batch_size and window: expected >= 1, got {} and {}",
                                    options.batch_size, options.window));
  }
  streams_ = static_cast<std::size_t>(options.batch_size);
  window_ = static_cast<std::size_t>(options.window);
  if (ids_.size() <= streams_) {
    throw ArgumentError(
        fmt::format("[TextStream] ids: expected at least {} (one step in each of {} streams, and what "
                    "follows the last), got {}",
                    streams_ + 1, streams_, ids_.size()));
  }
  const auto bad = std::find_if(ids_.begin(), ids_.end(), [](std::int64_t id) { return id < 0; });
  if (bad != ids_.end())
    throw ArgumentError(
        fmt::format("[TextStream] ids: expected >= 0, got {} at {}", *bad, bad - ids_.begin()));
}

std::size_t TextStream::size() const noexcept { return (steps() + window_ - 1) / window_; }

void TextStream::start_epoch(std::int64_t epoch) {
  if (epoch < 1)
    throw ArgumentError(fmt::format("[TextStream.start_epoch] epoch: expected >= 1, got {}", epoch));
}

TextBatch TextStream::batch(std::size_t i) const {
  detail::require_contents(!ids_.empty(), "TextStream.batch");
  if (i >= size())
    throw ArgumentError(fmt::format("[TextStream.batch] i: expected 0..{}, got {}", size() - 1, i));
  const std::size_t steps = this->steps(), first = i * window_, count = std::min(window_, steps - first);
  TextBatch batch{empty<std::int64_t>({count, streams_}), empty<std::int64_t>({count, streams_}), i == 0,
                  first};
  for (std::size_t t = 0; t < count; ++t) {
    for (std::size_t b = 0; b < streams_; ++b) {
      const std::size_t at = b * steps + first + t;
      batch.ids(t, b) = ids_[at];
      batch.labels(t, b) = ids_[at + 1];
    }
  }
  return batch;
}

}  // namespace unroll
