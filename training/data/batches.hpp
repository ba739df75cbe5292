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

// B samples with the time axis in front; of the tensors those are filled that the data set has. T is the
// longest length.
template <class S>
struct Batch {
  Tensor<S> values;            // (T,B,I), 0 behind a sequence's end
  IndexTensor ids;             // (T,B), padding_id behind the end
  std::vector<Index> lengths;  // (B), as recurrent layers and masked_mean take them
  IndexTensor labels;          // (B), or (T,B) with ignore_index behind the end
  Tensor<S> targets;           // (B,K), or (T,B,K) with 0 behind the end
  std::vector<Index> samples;  // (B), their positions in the data set
  std::size_t weight = 0;

  // What its mean loss weighs: the samples, or with a target for each step the real steps, without those
  // whose label is ignore_index.
  std::size_t size() const noexcept { return weight; }
};

struct PaddingOptions {
  std::int64_t padding_id = 0;       // of "<pad>", say
  std::int64_t ignore_index = -100;  // as in CrossEntropyOptions
};

// These samples of a data set as one batch. Throws ShapeError for none and for a position outside
// 0..size()-1.
template <class S>
Batch<S> make_batch(const SequenceDataset<S>& data, std::span<const Index> samples,
                    const PaddingOptions& options = {});

extern template Batch<float> make_batch(const SequenceDataset<float>&, std::span<const Index>,
                                        const PaddingOptions&);
extern template Batch<double> make_batch(const SequenceDataset<double>&, std::span<const Index>,
                                         const PaddingOptions&);

struct BatchOptions {
  Index batch_size = 32;
  bool shuffle = false;
  std::uint64_t seed = 0;
  bool drop_last = false;    // samples that fill no batch are left out of the epoch
  Index bucket_batches = 0;  // sort the samples of so many batches by length; 0: none
  Index num_samples = 0;     // an epoch draws so many samples with replacement; 0: every sample once
  PaddingOptions padding = {};
};

// What an epoch's batches hold: steps of the sequences, and steps of the tensors, which are as long as the
// longest sequence in them.
struct PaddingReport {
  std::size_t real_steps = 0;        // sum of the lengths
  std::size_t padded_steps = 0;      // sum of T B
  std::size_t unbucketed_steps = 0;  // the same for the samples in the order before bucketing
  double share() const noexcept;     // of padding: 1 - real / padded
  double saved() const noexcept;     // by bucketing: 1 - padded / unbucketed
};

// The batches of a data set, a BatchSource. With shuffle the samples of an epoch come in random order. With
// bucket_batches n every n batch_size samples of that order are sorted, the longest first, and cut into
// batches, whose order is random again; so lengths are alike in a batch, and its first sample is the longest.
// drop_last leaves out samples by the order before sorting: no length is left out more often than others. The
// order of an epoch depends on seed and epoch alone. Before start_epoch it is that of epoch 1. One whose data
// were moved from has no batches, and start_epoch and batch throw ArgumentError.
template <class S>
class Batches {
 public:
  // Changes a batch as it is made: noise on its values, say. rng depends on seed, epoch and the batch's
  // number alone, so that a batch is the same whenever it is asked for.
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
  // What this epoch's batches hold.
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
  std::vector<std::size_t> begins_;  // of the batches in order_, and its end
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
  IndexTensor ids;     // (T,B)
  IndexTensor labels;  // (T,B): what follows each id in the text
  bool first = false;  // the streams begin here: states start anew, else they go on from the window before
  std::size_t position = 0;  // of its first step in every stream
  // What its mean loss weighs: T B tokens.
  std::size_t size() const noexcept { return ids.size(); }
};

// The ids of a text cut into B streams of n = floor((N-1) / B) steps each: stream b reads ids b n ... b n + n
// - 1 and is to say the ids one later. Every one of these B n pairs is in one window of an epoch; windows
// have T steps, the last one maybe fewer, and come in the order of the text. A BatchSource whose epochs are
// alike; whoever goes through it carries the states from window to window:
//
//   if (batch.first) states = {};
//   auto [y, after] = layer(embedding(batch.ids), {.states = states});
//   states = detach(after);
//
// One that was moved from has no windows, and batch throws ArgumentError.
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
