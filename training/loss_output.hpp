// LossOutput: what a loss returns besides the loss.
#pragma once

#include <optional>

#include "framework/var.hpp"

namespace unroll {

// A batch's mean loss with the outputs and targets that metrics read:
//   LossOutput{loss, logits, batch.labels}
// weight: what the mean divides by, for example real tokens; none: batch.size(). A batch of weight 0 is
// skipped.
template <class S, class Targets>
struct LossOutput {
  Var<S> loss;
  Var<S> outputs;
  Targets targets;
  std::optional<double> weight = {};
  // Update the metrics of outputs and targets even if the weight is 0.
  bool counts_anyway = false;
};
template <class S, class Targets>
LossOutput(Var<S>, Var<S>, Targets) -> LossOutput<S, Targets>;
template <class S, class Targets>
LossOutput(Var<S>, Var<S>, Targets, double) -> LossOutput<S, Targets>;

// A batch's mean loss and its weight.
template <class S>
struct WeightedLoss {
  Var<S> loss;
  double weight;
};
template <class S>
WeightedLoss(Var<S>, double) -> WeightedLoss<S>;

}  // namespace unroll
