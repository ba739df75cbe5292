// CrossEntropyLoss: the loss of a model that says classes.
//
//   Trainer trainer(model, adam, CrossEntropyLoss(), options, Accuracy());
#pragma once

#include "layers/losses.hpp"
#include "training/scored.hpp"

namespace unroll {

// cross_entropy of model(batch), scores (N,C) or (N,C,T), with batch.labels (N) or (N,T), scored for metrics.
// Labels that are options.ignore_index, padding say, do not count.
struct CrossEntropyLoss {
  CrossEntropyOptions options = {};

  template <class Model, class Batch>
  auto operator()(Model& model, const Batch& batch) const {
    const auto scores = model(batch);
    return Scored{cross_entropy(scores, batch.labels, options), scores, batch.labels};
  }
};

}  // namespace unroll
