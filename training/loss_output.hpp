// What a loss gives back when it says more than the loss.
#pragma once

#include <optional>

#include "framework/var.hpp"

namespace unroll {

// A batch's loss with what it was computed from, which metrics read: LossOutput{loss, logits, batch.labels}.
// weight: what the loss, a mean, divides by, real tokens say; none: batch.size(). A batch of weight 0 is left
// out.
template <class S, class Targets>
struct LossOutput {
  Var<S> loss;
  Var<S> outputs;
  Targets targets;
  std::optional<double> weight = {};
  // Metrics of outputs and targets read a batch of weight 0, too: in one piece with others they would.
  bool counts_anyway = false;
};
template <class S, class Targets>
LossOutput(Var<S>, Var<S>, Targets) -> LossOutput<S, Targets>;
template <class S, class Targets>
LossOutput(Var<S>, Var<S>, Targets, double) -> LossOutput<S, Targets>;

// A batch's loss and its weight.
template <class S>
struct WeightedLoss {
  Var<S> loss;
  double weight;
};
template <class S>
WeightedLoss(Var<S>, double) -> WeightedLoss<S>;

}  // namespace unroll
