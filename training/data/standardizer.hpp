// Standardizer: features of mean 0 and variance 1, by the training data's mean and scale.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "framework/serialization.hpp"
#include "framework/tensor.hpp"
#include "training/data/sequences.hpp"

namespace unroll {

template <class S>
class TableEncoder;
template <class S>
class SeriesEncoder;

// y = (x - mean) / scale for each of I features, which are the last axis. Fit it on the training part alone.
// Of one that was moved from, or whose mean or scale were, what needs them throws ArgumentError.
template <class S>
class Standardizer {
 public:
  // Mean and standard deviation (of the population: divided by n) over all other axes of x (...,I); over the
  // real steps of x (T,B,I) alone when lengths (B) are given; over every step of every sample. A feature that
  // is constant gets the scale 1. Throws ShapeError for x without an axis or without a row and for lengths
  // that do not fit, ArgumentError naming feature and row of a number that is not finite, and for a data set
  // of ids.
  static Standardizer fit(const Tensor<S>& x);
  static Standardizer fit(const Tensor<S>& x, const std::vector<Index>& lengths);
  static Standardizer fit(const SequenceDataset<S>& data);

  // With mean (I) and scale (I), finite and scale above 0: ShapeError and ArgumentError otherwise.
  Standardizer(Tensor<S> mean, Tensor<S> scale);

  const Tensor<S>& mean() const& noexcept { return mean_; }
  Tensor<S> mean() && { return std::move(mean_); }
  const Tensor<S>& scale() const& noexcept { return scale_; }
  Tensor<S> scale() && { return std::move(scale_); }

  // (x - mean) / scale, and y scale + mean; shape as given, (...,I). With lengths what lies behind the end of
  // a sequence of x (T,B,I) stays as it is. Throws ShapeError for another number of features.
  Tensor<S> transform(const Tensor<S>& x, const std::vector<Index>& lengths = {}) const;
  Tensor<S> inverse(const Tensor<S>& y, const std::vector<Index>& lengths = {}) const;
  // A data set's sequences; its targets stay as they are.
  SequenceDataset<S> transform(const SequenceDataset<S>& data) const;

  // mean and scale as tensors prefix + "mean", prefix + "scale" of a file, and back: exactly. from_tensors
  // throws ArgumentError when they are not there or are no mean and scale.
  TensorMap<S> tensors(const std::string& prefix = "standardizer.") const;
  static Standardizer from_tensors(const TensorMap<S>& tensors, const std::string& prefix = "standardizer.");
  // The same as JSON text, for metadata: {"mean": [...], "scale": [...]}. from_json throws ArgumentError for
  // anything else, and for lists of which no Standardizer can be made.
  std::string to_json() const;
  static Standardizer from_json(std::string_view json);

 private:
  template <class T>
  friend class TableEncoder;
  template <class T>
  friend class SeriesEncoder;
  template <class Json>
  static Standardizer of_json(const Json& json);
  void require_contents(const char* function) const;

  Tensor<S> mean_, scale_;  // (I)
};

extern template class Standardizer<float>;
extern template class Standardizer<double>;

}  // namespace unroll
