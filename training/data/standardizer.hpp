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

// y = (x - mean) / scale for each of the I features, which are the last axis. Fit it on the training part
// alone. Functions throw ArgumentError for a moved-from object.
template <class S>
class Standardizer {
 public:
  // Mean and population standard deviation over all other axes of x (...,I), over the real steps of x (T,B,I)
  // with lengths (B), or over every step of a data set. A constant feature gets the scale 1. Throws
  // ShapeError for x without axes or rows and for mismatched lengths, ArgumentError for a data set of ids
  // and, naming feature and row, for a value that is not finite.
  static Standardizer fit(const Tensor<S>& x);
  static Standardizer fit(const Tensor<S>& x, const std::vector<Index>& lengths);
  static Standardizer fit(const SequenceDataset<S>& data);

  // mean (I) and scale (I). Throws ShapeError for other shapes, ArgumentError unless all are finite and scale
  // > 0.
  Standardizer(Tensor<S> mean, Tensor<S> scale);

  const Tensor<S>& mean() const& noexcept { return mean_; }
  Tensor<S> mean() && { return std::move(mean_); }
  const Tensor<S>& scale() const& noexcept { return scale_; }
  Tensor<S> scale() && { return std::move(scale_); }

  // (x - mean) / scale, and y scale + mean, of the same shape (...,I). With lengths, the padding of x (T,B,I)
  // is unchanged. Throws ShapeError for another number of features.
  Tensor<S> transform(const Tensor<S>& x, const std::vector<Index>& lengths = {}) const;
  Tensor<S> inverse(const Tensor<S>& y, const std::vector<Index>& lengths = {}) const;
  // The sequences of a data set; its targets are unchanged.
  SequenceDataset<S> transform(const SequenceDataset<S>& data) const;

  // As tensors prefix + "mean" and prefix + "scale", exactly, and back. from_tensors throws ArgumentError if
  // they are missing or invalid.
  TensorMap<S> tensors(const std::string& prefix = "standardizer.") const;
  static Standardizer from_tensors(const TensorMap<S>& tensors, const std::string& prefix = "standardizer.");
  // As JSON, for metadata: {"mean": [...], "scale": [...]}. from_json throws ArgumentError for anything else.
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
