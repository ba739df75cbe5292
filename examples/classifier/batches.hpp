// Samples and batches of them.
#pragma once

#include <vector>

#include "examples/classifier/encoding.hpp"
#include "framework/random.hpp"

namespace unroll::examples::classifier {

struct Sample {
  Sequence sequence;
  Index label = 0;
};

// B sequences side by side, time-major.
struct Batch {
  IndexTensor letters;         // text: (T,B), 0 beyond a sequence's length
  Tensor<float> values;        // numbers: (T,B,I)
  std::vector<Index> lengths;  // text: (B)
  IndexTensor labels;          // (B)
  std::size_t size() const { return labels.size(); }
};

// The samples order[begin], ..., order[end - 1] as one batch.
Batch make_batch(const std::vector<Sample>& samples, const std::vector<Index>& order, std::size_t begin,
                 std::size_t end, const Encoding& encoding);

// All samples in batches of `size` (the last may be smaller), in their order or shuffled by rng.
std::vector<Batch> in_order(const std::vector<Sample>& samples, Index size, const Encoding& encoding);
std::vector<Batch> shuffled(const std::vector<Sample>& samples, Index size, const Encoding& encoding,
                            Rng& rng);

}  // namespace unroll::examples::classifier
