// Comparisons that the tests of the seeds share.
#pragma once

#include <algorithm>
#include <cmath>

#include "framework/tensor.hpp"

namespace unroll::seeds {

// |got - want| / |want|
inline double relative_error(double got, double want) { return std::abs(got - want) / std::abs(want); }

// The largest |a - b| over the largest |b|; infinite for different shapes.
inline double difference(const Tensor<double>& a, const Tensor<double>& b) {
  if (a.shape() != b.shape()) return HUGE_VAL;
  double error = 0.0, scale = 0.0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    error = std::max(error, std::abs(a.data()[i] - b.data()[i]));
    scale = std::max(scale, std::abs(b.data()[i]));
  }
  return scale > 0.0 ? error / scale : error;
}

}  // namespace unroll::seeds
