// Class scores with their labels, as classification metrics read them. For .cpp files.
#pragma once

#include <fmt/format.h>

#include "framework/errors.hpp"
#include "framework/tensor.hpp"

namespace unroll::detail {

// Throws ShapeError for a label outside 0..classes-1 that is not ignore_index.
inline void check_labels(const char* metric, const char* what, const IndexTensor& labels, std::size_t classes,
                         Index ignore_index) {
  for (std::size_t i = 0; i < labels.size(); ++i) {
    const std::int64_t label = labels.data()[i];
    if (label == ignore_index || (label >= 0 && static_cast<std::size_t>(label) < classes)) continue;
    throw ShapeError(fmt::format("[{}] {}: expected classes 0..{}, got {} at {} of {}", metric, what,
                                 static_cast<Index>(classes) - 1, label, i, to_string(labels.shape())));
  }
}

// scores (N,C) or (N,C,T) with labels (N) or (N,T), checked: throws ShapeError for other shapes and for a
// label outside 0..C-1 that is not ignore_index.
template <class S>
class ClassScores {
 public:
  ClassScores(const char* metric, const Tensor<S>& scores, const IndexTensor& labels, Index ignore_index)
      : scores_(scores.data()), labels_(labels), ignore_index_(ignore_index) {
    const Shape& shape = scores.shape();
    if (shape.size() != 2 && shape.size() != 3) {
      throw ShapeError(
          fmt::format("[{}] scores: expected (N,C) or (N,C,T), got {}", metric, to_string(shape)));
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

  std::size_t classes() const noexcept { return classes_; }
  // Position: of the label in memory.
  S score(std::size_t position, std::size_t label) const noexcept {
    const std::size_t n = position / steps_, t = position % steps_;
    return scores_[(n * classes_ + label) * steps_ + t];
  }
  // Calls f(position, label) for every label that counts.
  template <class F>
  void each(F&& f) const {
    for (std::size_t i = 0; i < labels_.size(); ++i) {
      if (labels_.data()[i] != ignore_index_) f(i, static_cast<std::size_t>(labels_.data()[i]));
    }
  }

 private:
  const S* scores_;
  const IndexTensor& labels_;
  std::size_t classes_ = 0, steps_ = 1;
  Index ignore_index_;
};

}  // namespace unroll::detail
