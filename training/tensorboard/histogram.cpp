#include "training/tensorboard/histogram.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace unroll::detail {
namespace {

std::vector<double> make_limits() {
  std::vector<double> positive;
  for (double limit = 1e-12; limit < 1e20; limit *= 1.1) positive.push_back(limit);
  positive.push_back(std::numeric_limits<double>::max());
  std::vector<double> limits;
  for (auto limit = positive.rbegin(); limit != positive.rend(); ++limit) limits.push_back(-*limit);
  limits.push_back(0.0);
  limits.insert(limits.end(), positive.begin(), positive.end());
  return limits;
}

}  // namespace

BucketCounts count_in_buckets(std::span<const float> values) {
  static const std::vector<double> limits = make_limits();
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
