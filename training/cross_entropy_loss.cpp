#include "training/cross_entropy_loss.hpp"

#include <fmt/format.h>

#include "framework/errors.hpp"

namespace unroll {

double cross_entropy_weight(const IndexTensor& labels, const CrossEntropyOptions& options) {
  const auto& class_weights = options.class_weights;
  double weight = 0.0;
  for (const std::int64_t label : labels) {
    if (label == options.ignore_index) continue;
    if (class_weights.empty()) {
      weight += 1.0;
    } else if (label >= 0 && static_cast<std::size_t>(label) < class_weights.size()) {
      weight += class_weights[static_cast<std::size_t>(label)];
    } else {
      throw ShapeError(fmt::format("[cross_entropy_weight] labels: expected classes 0..{}, got {}",
                                   static_cast<Index>(class_weights.size()) - 1, label));
    }
  }
  return weight;
}

void detail::require_mean(const CrossEntropyOptions& options) {
  if (options.reduction == Reduction::mean) return;
  throw ArgumentError(fmt::format(
      "[CrossEntropyLoss] reduction: expected mean (a trainer weighs the batches' means itself), got {}",
      options.reduction == Reduction::sum ? "sum" : "none"));
}

}  // namespace unroll
