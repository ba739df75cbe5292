// Values counted in TensorBoard's buckets.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

namespace unroll::detail {

// counts[i] values lie in [limits[i-1], limits[i]). The limits are 0, +-1e-12 1.1^k below 1e20, and the
// largest double; neighbouring buckets without values are one.
struct BucketCounts {
  double min = 0.0, max = 0.0, sum = 0.0, sum_squares = 0.0;
  std::size_t count = 0;      // of finite values, which are those counted
  std::size_t nonfinite = 0;  // NaN and infinities
  std::vector<double> limits, counts;
};
BucketCounts count_in_buckets(std::span<const float> values);

}  // namespace unroll::detail
