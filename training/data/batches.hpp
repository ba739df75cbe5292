// What a trainer reads: batches of a data set, and windows of a long text.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <utility>
#include <vector>

#include "framework/random.hpp"
#include "framework/tensor.hpp"
#include "training/data/sequences.hpp"

namespace unroll {

// A type with
//   std::size_t size() const;               batches in an epoch
//   void start_epoch(std::int64_t epoch);   from 1; the order of this epoch is a function of (seed, epoch)
//                                           alone, so that a resumed run sees the same batches
//   auto batch(std::size_t i) const;        the i-th batch of this epoch; its size(), if it has one, is the
//                                           weight of its mean loss: samples, or tokens for a stream
template <class Source>
concept BatchSource = requires(Source& source, const Source& current, std::int64_t epoch, std::size_t i) {
  { current.size() } -> std::convertible_to<std::size_t>;
  source.start_epoch(epoch);
  current.batch(i);
};

// B samples, time axis first; T is the longest length. Only the tensors that the data set has are filled.
template <class S>
struct Batch {
  Tensor<S> values;            // (T,B,I), 0 after the end of a sequence
  IndexTensor ids;             // (T,B), padding_id after the end
  std::vector<Index> lengths;  // (B), as recurrent layers and masked_mean take them
  IndexTensor labels;          // (B), or (T,B) with ignore_index after the end
  Tensor<S> targets;           // (B,K), or (T,B,K) with 0 after the end
  std::vector<Index> samples;  // (B), their positions in the data set
  std::size_t weight = 0;

  // The weight of its mean loss: the number of samples or, with a target for each step, of real steps,
  // without those whose label is ignore_index.
  std::size_t size() const noexcept { return weight; }
};

struct PaddingOptions {
  std::int64_t padding_id = 0;       // for example of "<pad>"
  std::int64_t ignore_index = -100;  // as in CrossEntropyOptions
};

// These samples as one batch. Throws ShapeError for no samples and for a position outside 0..size()-1.
template <class S>
Batch<S> make_batch(const SequenceDataset<S>& data, std::span<const Index> samples,
                    const PaddingOptions& options = {});

struct BatchOptions {
  Index batch_size = 32;
  bool shuffle = false;
  std::uint64_t seed = 0;
  bool drop_last = false;    // leave out samples that do not fill a batch
  Index bucket_batches = 0;  // n: sort the samples of every n batches by length; 0: do not
  Index num_samples = 0;     // n: an epoch draws n samples with replacement; 0: every sample once
  PaddingOptions padding = {};
};

// How many steps of an epoch's batches are padding.
struct PaddingReport {
  std::size_t real_steps = 0;        // sum of the lengths
  std::size_t padded_steps = 0;      // sum of T B over the batches
  std::size_t unbucketed_steps = 0;  // the same without bucketing
  double share() const noexcept;     // the fraction of padding: 1 - real / padded
  double saved() const noexcept;     // the fraction that bucketing saves: 1 - padded / unbucketed
};

// The batches of a data set, a BatchSource. The order of an epoch depends on seed and epoch alone; before
// start_epoch it is that of epoch 1. With bucket_batches = n, every n batch_size samples are sorted, longest
// first, and cut into batches, which are shuffled again: lengths in a batch are similar, and its first sample
// is the longest. drop_last applies before sorting, so it prefers no length. A moved-from object has no
// batches, and start_epoch and batch throw ArgumentError.
template <class S>
class Batches {
 public:
  // Modifies a batch, for example by adding noise. rng depends on seed, epoch and the batch's number alone,
  // so a batch is always the same.
  using Augment = std::function<void(Batch<S>& batch, Rng& rng)>;

  // Throws ArgumentError for an empty data set, batch_size < 1, bucket_batches or num_samples < 0,
  // num_samples without shuffle, and when drop_last leaves no batch.
  explicit Batches(SequenceDataset<S> data, const BatchOptions& options = {}, Augment augment = {});

  // Batches in an epoch.
  std::size_t size() const noexcept { return data_.empty() || begins_.empty() ? 0 : begins_.size() - 1; }
  // From 1. Throws ArgumentError for less.
  void start_epoch(std::int64_t epoch);
  // Throws ArgumentError unless i < size().
  Batch<S> batch(std::size_t i) const;

  const SequenceDataset<S>& data() const& noexcept { return data_; }
  SequenceDataset<S> data() && { return std::move(data_); }
  // The padding of this epoch's batches.
  PaddingReport padding() const;

 private:
  std::vector<Index> draw(Rng& rng) const;
  std::size_t batch_steps(const std::vector<Index>& order, std::size_t begin, std::size_t end) const;

  SequenceDataset<S> data_;
  BatchOptions options_;
  Augment augment_;
  std::int64_t epoch_ = 1;
  std::vector<Index> drawn_;         // this epoch's samples before bucketing
  std::vector<Index> order_;         // and as they are in its batches
  std::vector<std::size_t> begins_;  // of the batches in order_, and the end
};

extern template class Batches<float>;
extern template class Batches<double>;

static_assert(BatchSource<Batches<float>>);

struct TextStreamOptions {
  Index batch_size = 32;  // B streams side by side
  Index window = 64;      // T steps
};

// One window of all streams.
struct TextBatch {
  IndexTensor ids;           // (T,B)
  IndexTensor labels;        // (T,B): the next id of each
  bool first = false;        // the streams begin here: reset the states; else carry them over
  std::size_t position = 0;  // of the first step in every stream
  // The weight of its mean loss: T B tokens.
  std::size_t size() const noexcept { return ids.size(); }
};

// N ids cut into B streams of n = floor((N-1) / B) steps, for truncated backpropagation through time. Stream
// b reads ids bn .. bn+n-1; its labels are the ids one later. An epoch has every step in one window of T
// steps (the last one may have fewer), in the order of the text. A BatchSource whose epochs are all the same.
// Carry the states from window to window:
//
//   if (batch.first) states = {};
//   auto [y, after] = layer(embedding(batch.ids), {.states = states});
//   states = detach(after);
//
// A moved-from object has no windows, and batch throws ArgumentError.
class TextStream {
 public:
  // Throws ArgumentError for batch_size or window < 1, a negative id, and fewer than B + 1 ids.
  explicit TextStream(std::vector<std::int64_t> ids, const TextStreamOptions& options = {});

  // Windows in an epoch.
  std::size_t size() const noexcept;
  // From 1. Throws ArgumentError for less.
  void start_epoch(std::int64_t epoch);
  // Throws ArgumentError unless i < size().
  TextBatch batch(std::size_t i) const;

  // n.
  std::size_t steps() const noexcept { return ids_.empty() ? 0 : (ids_.size() - 1) / streams_; }

 private:
  std::vector<std::int64_t> ids_;
  std::size_t streams_ = 0, window_ = 0;
};

static_assert(BatchSource<TextStream>);

}  // namespace unroll
