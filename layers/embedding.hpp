// Embedding: a learned row per token id.
#pragma once

#include "framework/ops.hpp"
#include "framework/random.hpp"
#include "layers/module.hpp"

namespace unroll {

struct EmbeddingOptions {
  // The row of this id (padding) starts as zeros and never gets a gradient.
  std::optional<Index> padding_id = std::nullopt;
};

// Looks up ids (...) in weight (V,E): (...,E). Initialised N(0,1). Throws ArgumentError for a size below 1,
// ShapeError for an id outside 0..V-1.
template <class S>
struct Embedding : MoveOnly {
  static constexpr const char* kName = "Embedding";
  EmbeddingOptions options;
  Var<S> weight;

  Embedding() = default;
  UNROLL_MOVE_ONLY(Embedding)
  Embedding(Index vocabulary, Index size, Rng& rng, EmbeddingOptions options = {});
  Var<S> operator()(const IndexTensor& ids) const;
  std::string extra_repr() const;

  static void each(auto& self, auto&& visit) {
    visit("options", self.options);
    visit("weight", self.weight);
  }
};

extern template struct Embedding<float>;
extern template struct Embedding<double>;

}  // namespace unroll
