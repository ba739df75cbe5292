// classify: what a model takes sequences for.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "framework/tape.hpp"
#include "training/data/batches.hpp"
#include "training/metrics/confusion_matrix.hpp"

namespace unroll {

struct Classified {
  std::int64_t label;
  double probability;
};

namespace detail {
// Appends the class of the largest score of each row (B,C), of equals the first, and its softmax. Throws
// ShapeError for other axes or another B.
template <class S>
void append_classes(std::vector<Classified>& to, const Tensor<S>& scores, std::size_t samples);
}  // namespace detail

// For every sample its most probable class by model(batch), scores (B,C), in the data set's order. The model
// is to be in evaluation mode. Throws ShapeError for scores of another shape.
template <class Model, class S>
std::vector<Classified> classify(const Model& model, const SequenceDataset<S>& data, Index batch_size = 256) {
  const NoGrad no_recording;
  std::vector<Classified> classes;
  if (data.empty()) return classes;
  const Batches<S> batches(data, {.batch_size = batch_size});
  for (std::size_t i = 0; i < batches.size(); ++i) {
    const Batch<S> batch = batches.batch(i);
    detail::append_classes(classes, model(batch).value(), batch.lengths.size());
  }
  return classes;
}

// How they compare with the samples' labels. Throws ArgumentError unless there is one for each.
ConfusionMatrix confusion_matrix(std::span<const Classified> classes, std::span<const std::int64_t> labels,
                                 std::size_t class_count);

}  // namespace unroll
