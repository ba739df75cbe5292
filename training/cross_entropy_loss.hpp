// CrossEntropyLoss: the loss of a classifier.
//
//   Trainer trainer(model, adam, CrossEntropyLoss(), options, Accuracy());
#pragma once

#include "layers/losses.hpp"
#include "training/loss_output.hpp"

namespace unroll {

// What the mean of cross_entropy(logits, labels, options) divides by, which is its weight among the means of
// other batches: the sum of the class weights of the labels that count, or their number without class
// weights. Throws ShapeError for a label that has no class weight.
double cross_entropy_weight(const IndexTensor& labels, const CrossEntropyOptions& options = {});

namespace detail {
// Throws ArgumentError for another reduction than the mean.
void require_mean(const CrossEntropyOptions& options);
}  // namespace detail

// cross_entropy of model(batch), scores (N,C) or (N,C,T), with batch.labels: classes (N) or (N,T), or
// probabilities of the scores' shape. Returns a LossOutput. Labels equal to options.ignore_index, for example
// padding, do not count. The weight is what the mean divides by, so means over an epoch do not depend on how
// the data is cut into batches. Throws ArgumentError for another reduction than the mean.
struct CrossEntropyLoss {
  CrossEntropyOptions options = {};

  template <class Model, class Batch>
  auto operator()(Model& model, const Batch& batch) const {
    detail::require_mean(options);
    const auto scores = model(batch);
    const auto loss = cross_entropy(scores, batch.labels, options);
    if constexpr (requires { batch.labels.value(); }) {  // probabilities
      const double positions = static_cast<double>(scores.size()) / static_cast<double>(scores.shape(1));
      return LossOutput{loss, scores, batch.labels, positions};
    } else {
      LossOutput result{loss, scores, batch.labels, cross_entropy_weight(batch.labels, options)};
      result.counts_anyway = true;
      return result;
    }
  }
};

}  // namespace unroll
