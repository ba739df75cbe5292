#include "training/sampling.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "framework/errors.hpp"

namespace unroll {

template <class S>
Index draw(std::span<const S> logits, const SamplingOptions& options, Rng& rng) {
  if (!(options.temperature > 0.0 && std::isfinite(options.temperature))) {
    throw ArgumentError(
        fmt::format("[draw] temperature: expected a finite number above 0, got {}", options.temperature));
  }
  if (options.top_k < 0)
    throw ArgumentError(fmt::format("[draw] top_k: expected >= 0, got {}", options.top_k));
  if (logits.empty()) throw ArgumentError("[draw] logits: expected at least one, got none");
  for (std::size_t k = 0; k < logits.size(); ++k) {
    if (!std::isfinite(logits[k])) {
      throw ArgumentError(fmt::format("[draw] logits: expected finite numbers, got {} at {}", logits[k], k));
    }
  }
  std::vector<std::size_t> order(logits.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  if (options.top_k > 0 && static_cast<std::size_t>(options.top_k) < order.size()) {
    const auto kept = order.begin() + static_cast<std::ptrdiff_t>(options.top_k);
    std::partial_sort(order.begin(), kept, order.end(), [&](std::size_t a, std::size_t b) {
      return logits[a] != logits[b] ? logits[a] > logits[b] : a < b;
    });
    order.erase(kept, order.end());
  }
  const auto largest = static_cast<double>(*std::max_element(logits.begin(), logits.end()));
  std::vector<double> sums;  // of the weights so far
  for (const std::size_t k : order) {
    const double weight = std::exp((static_cast<double>(logits[k]) - largest) / options.temperature);
    sums.push_back((sums.empty() ? 0.0 : sums.back()) + weight);
  }
  // The last sum is above every drawn number but for rounding.
  const auto at = std::upper_bound(sums.begin(), sums.end() - 1, rng.uniform() * sums.back());
  return static_cast<Index>(order[static_cast<std::size_t>(at - sums.begin())]);
}

template Index draw(std::span<const float>, const SamplingOptions&, Rng&);
template Index draw(std::span<const double>, const SamplingOptions&, Rng&);

}  // namespace unroll
