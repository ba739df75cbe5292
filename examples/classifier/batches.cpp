#include "examples/classifier/batches.hpp"

#include <algorithm>
#include <numeric>

namespace unroll::examples::classifier {
namespace {

std::vector<Batch> cut(const std::vector<Sample>& samples, const std::vector<Index>& order, Index size,
                       const Encoding& encoding) {
  std::vector<Batch> batches;
  const auto step = static_cast<std::size_t>(size);
  for (std::size_t begin = 0; begin < order.size(); begin += step) {
    batches.push_back(make_batch(samples, order, begin, std::min(begin + step, order.size()), encoding));
  }
  return batches;
}

}  // namespace

Batch make_batch(const std::vector<Sample>& samples, const std::vector<Index>& order, std::size_t begin,
                 std::size_t end, const Encoding& encoding) {
  const std::size_t count = end - begin;
  const auto sample = [&](std::size_t b) -> const Sample& {
    return samples[static_cast<std::size_t>(order[begin + b])];
  };
  Batch batch;
  batch.labels = zeros<std::int64_t>({count});
  for (std::size_t b = 0; b < count; ++b) batch.labels(b) = sample(b).label;
  if (encoding.is_text()) {
    std::size_t longest = 0;
    for (std::size_t b = 0; b < count; ++b) {
      batch.lengths.push_back(static_cast<Index>(sample(b).sequence.letters.size()));
      longest = std::max(longest, sample(b).sequence.letters.size());
    }
    batch.letters = zeros<std::int64_t>({longest, count});
    for (std::size_t b = 0; b < count; ++b) {
      const auto& letters = sample(b).sequence.letters;
      for (std::size_t t = 0; t < letters.size(); ++t) batch.letters(t, b) = letters[t];
    }
  } else {
    const auto steps = static_cast<std::size_t>(encoding.steps),
               features = static_cast<std::size_t>(encoding.features);
    batch.values = empty<float>({steps, count, features});
    for (std::size_t b = 0; b < count; ++b) {
      const auto& values = sample(b).sequence.values;
      for (std::size_t t = 0; t < steps; ++t) {
        std::copy_n(values.data() + t * features, features, batch.values.data() + (t * count + b) * features);
      }
    }
  }
  return batch;
}

std::vector<Batch> in_order(const std::vector<Sample>& samples, Index size, const Encoding& encoding) {
  std::vector<Index> order(samples.size());
  std::iota(order.begin(), order.end(), Index{0});
  return cut(samples, order, size, encoding);
}

std::vector<Batch> shuffled(const std::vector<Sample>& samples, Index size, const Encoding& encoding,
                            Rng& rng) {
  return cut(samples, rng.permutation(static_cast<Index>(samples.size())), size, encoding);
}

}  // namespace unroll::examples::classifier
