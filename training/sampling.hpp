// Drawing from what a model thinks probable: text that a language model writes.
#pragma once

#include <span>

#include "framework/random.hpp"

namespace unroll {

struct SamplingOptions {
  double temperature = 1.0;  // below 1 the probable becomes more probable, above 1 less
  Index top_k = 0;           // only so many of the most probable take part (of equals the first); 0: all
};

// k with probability p_k = exp(logit_k / temperature) / sum, over those that take part. Takes one number from
// rng. Throws ArgumentError for no logits, one that is not finite, temperature <= 0 and top_k < 0; then rng
// has not moved.
template <class S>
Index draw(std::span<const S> logits, const SamplingOptions& options, Rng& rng);

}  // namespace unroll
