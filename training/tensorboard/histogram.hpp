// Values counted in TensorBoard's buckets.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
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

inline std::vector<double> bucket_limits() {
  std::vector<double> positive;
  for (double limit = 1e-12; limit < 1e20; limit *= 1.1) positive.push_back(limit);
  positive.push_back(std::numeric_limits<double>::max());
  std::vector<double> limits;
  for (auto limit = positive.rbegin(); limit != positive.rend(); ++limit) limits.push_back(-*limit);
  limits.push_back(0.0);
  limits.insert(limits.end(), positive.begin(), positive.end());
  return limits;
}

inline BucketCounts count_in_buckets(std::span<const float> values) {
  static const std::vector<double> limits = bucket_limits();
  std::vector<double> counts(limits.size(), 0.0);
  BucketCounts result;
  for (const float given : values) {
    if (!std::isfinite(given)) {
      ++result.nonfinite;
      continue;
    }
    const double value = given;
    result.min = result.count == 0 ? value : std::min(result.min, value);
    result.max = result.count == 0 ? value : std::max(result.max, value);
    result.sum += value;
    result.sum_squares += value * value;
    ++result.count;
    const auto bucket = std::upper_bound(limits.begin(), limits.end(), value) - limits.begin();
    counts[static_cast<std::size_t>(bucket)] += 1.0;
  }
  for (std::size_t i = 0; i < limits.size(); ++i) {
    // A bucket without values reaches as far as the next with some.
    if (counts[i] == 0.0 && i + 1 < limits.size() && counts[i + 1] == 0.0) continue;
    result.limits.push_back(limits[i]);
    result.counts.push_back(counts[i]);
  }
  return result;
}

}  // namespace unroll::detail
