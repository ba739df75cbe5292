// The adding problem as batches of fresh sequences.
#pragma once

#include "training/training.hpp"
#include "unroll.hpp"

namespace unroll::examples {

// Fresh sequences: the i-th batch of an epoch is a function of seed, epoch and i.
struct AddingProblem {
  struct Batch {
    Tensor<float> x;        // (T,B,2)
    Tensor<float> targets;  // (B,1)
    std::size_t size() const { return targets.size(); }
  };
  std::uint64_t seed;
  std::size_t length, batch_size, batches;
  std::uint64_t epoch = 1;

  std::size_t size() const { return batches; }
  void start_epoch(std::int64_t e) { epoch = static_cast<std::uint64_t>(e); }
  Batch batch(std::size_t i) const {
    Rng rng(seed + epoch * batches + i);
    Batch batch{zeros<float>({length, batch_size, 2}), zeros<float>({batch_size, 1})};
    const auto half = static_cast<Index>(length / 2);
    for (std::size_t b = 0; b < batch_size; ++b) {
      for (std::size_t t = 0; t < length; ++t) batch.x(t, b, 0) = static_cast<float>(rng.uniform());
      const Index marks[] = {rng.below(half), half + rng.below(static_cast<Index>(length) - half)};
      for (const Index t : marks) {
        batch.x(t, b, 1) = 1.0F;
        batch.targets(b, 0) += batch.x(t, b, 0);
      }
    }
    return batch;
  }
};

static_assert(BatchSource<AddingProblem>);

}  // namespace unroll::examples
