// draw: samples from the logits of a language model.
#pragma once

#include <span>

#include "framework/random.hpp"

namespace unroll {

struct SamplingOptions {
  double temperature = 1.0;  // below 1 sharpens the distribution, above 1 flattens it
  Index top_k = 0;           // sample only from the k largest logits (the first on ties); 0: from all
};

// Returns k with probability exp(logit_k / temperature) / sum. Draws one number from rng. Throws
// ArgumentError for no logits, a logit that is not finite, temperature <= 0 and top_k < 0; rng is unchanged
// then.
template <class S>
Index draw(std::span<const S> logits, const SamplingOptions& options, Rng& rng);

}  // namespace unroll
