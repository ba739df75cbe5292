#include "training/metrics/class_scores.hpp"

#include <fmt/format.h>

#include "framework/errors.hpp"

namespace unroll::detail {

void check_labels(const char* metric, const char* what, const IndexTensor& labels, std::size_t classes,
                  Index ignore_index) {
  for (std::size_t i = 0; i < labels.size(); ++i) {
    const std::int64_t label = labels.data()[i];
    if (label == ignore_index || (label >= 0 && static_cast<std::size_t>(label) < classes)) continue;
    throw ShapeError(fmt::format("[{}] {}: expected classes 0..{}, got {} at {} of {}", metric, what,
                                 static_cast<Index>(classes) - 1, label, i, to_string(labels.shape())));
  }
}

template <class S>
ClassScores<S>::ClassScores(const char* metric, const Tensor<S>& scores, const IndexTensor& labels,
                            Index ignore_index)
    : scores_(scores.data()), labels_(labels), ignore_index_(ignore_index) {
  const Shape& shape = scores.shape();
  if (shape.size() != 2 && shape.size() != 3) {
    throw ShapeError(fmt::format("[{}] scores: expected (N,C) or (N,C,T), got {}", metric, to_string(shape)));
  }
  Shape want{shape[0]};
  if (shape.size() == 3) want.push_back(shape[2]);
  if (labels.shape() != want) {
    throw ShapeError(fmt::format("[{}] labels: expected {} for scores {}, got {}", metric, to_string(want),
                                 to_string(shape), to_string(labels.shape())));
  }
  classes_ = shape[1];
  if (shape.size() == 3) steps_ = shape[2];
  check_labels(metric, "labels", labels, classes_, ignore_index);
}

template class ClassScores<float>;
template class ClassScores<double>;

}  // namespace unroll::detail
