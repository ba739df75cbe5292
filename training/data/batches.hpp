// Batches: a data set in batches, in an order that the seed and the epoch decide.
#pragma once

#include <cstdint>
#include <functional>
#include <utility>
#include <vector>

#include "framework/random.hpp"
#include "training/data/batch.hpp"
#include "training/data/batch_source.hpp"

namespace unroll {

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

}  // namespace unroll
