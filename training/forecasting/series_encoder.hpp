// SeriesEncoder: encodes a time series for a network.
#pragma once

#include <string>
#include <string_view>

#include "framework/tensor.hpp"
#include "training/data/standardizer.hpp"
#include "training/forecasting/series.hpp"

namespace unroll {

// I features of step t: the standardised value and, with a period P (12 for months), the phase of the next
// step: sin and cos of 2 pi (t+1) / P.
template <class S>
class SeriesEncoder {
 public:
  // Standardises by the training part. Throws ArgumentError for a period of 1 or below 0 and for a value too
  // large for S, ShapeError for an empty part.
  SeriesEncoder(const Series& series, const SeriesPart& train, Index period = 0);

  Index features() const noexcept { return period_ > 0 ? 3 : 1; }  // I
  Index period() const noexcept { return period_; }
  // Throw ArgumentError, as all from here on, for an encoder that was moved from.
  double mean() const;
  double scale() const;

  // One step (I), also beyond the series, and the steps first .. last-1 of a series (last-first,I). Throws
  // ShapeError for steps outside of the series, ArgumentError for a value too large for S.
  Tensor<S> encode(double value, Index t) const;
  Tensor<S> encode(const Series& series, Index first, Index last) const;
  // The reverse of standardising.
  double decode(double z) const { return mean() + scale() * z; }

  // As JSON, for the metadata of a model file. from_json throws ArgumentError for anything else.
  std::string to_json() const;
  static SeriesEncoder from_json(std::string_view json);

 private:
  SeriesEncoder(Standardizer<S> standardizer, Index period);
  void write(S* to, double value, Index t) const;

  Standardizer<S> standardizer_;
  Index period_;
};

extern template class SeriesEncoder<float>;
extern template class SeriesEncoder<double>;

}  // namespace unroll
