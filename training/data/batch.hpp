// Batch: samples side by side, filled up to the longest.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "framework/tensor.hpp"
#include "training/data/sequences.hpp"

namespace unroll {

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

}  // namespace unroll
