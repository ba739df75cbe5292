// Scores of classes beside labels, as metrics of classification read them; for .cpp files.
#pragma once

#include <string>

#include "framework/tensor.hpp"

namespace unroll::detail {

// scores (N,C) or (N,C,T) with labels (N) or (N,T), checked: throws ShapeError for other shapes and for a
// label outside 0..C-1 that is not ignore_index.
template <class S>
class ClassScores {
 public:
  ClassScores(const char* metric, const Tensor<S>& scores, const IndexTensor& labels, Index ignore_index);

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

// Throws ShapeError for a label outside 0..classes-1 that is not ignore_index.
void check_labels(const char* metric, const char* what, const IndexTensor& labels, std::size_t classes,
                  Index ignore_index);

}  // namespace unroll::detail
