#include "layers/bptt/steps.hpp"

#include <algorithm>

namespace unroll::bptt {

Steps Steps::dense(std::size_t steps, std::size_t batch, bool reverse) noexcept {
  Steps result;
  result.reverse = reverse;
  result.batch = batch;
  result.count_ = steps;
  result.total = steps * batch;
  return result;
}

Steps Steps::ragged(std::size_t steps, const std::vector<std::size_t>& lengths, bool reverse) {
  if (lengths.empty() || lengths.back() == steps) return dense(steps, lengths.size(), reverse);
  Steps result;
  result.reverse = reverse;
  result.batch = lengths.size();
  result.count_ = steps;
  std::size_t alive = lengths.size();
  for (std::size_t t = 0; t < steps; ++t) {
    while (alive > 0 && lengths[alive - 1] <= t) --alive;
    result.alive_.push_back(alive);
    result.offset_.push_back(result.total);
    result.total += alive;
  }
  return result;
}

Steps Steps::stretch(std::size_t first, std::size_t last) const {
  if (first == last || rows(last - 1) == batch) return dense(last - first, batch, reverse);
  Steps result;
  result.reverse = reverse;
  result.batch = batch;
  result.count_ = last - first;
  for (std::size_t t = first; t < last; ++t) {
    result.alive_.push_back(rows(t));
    result.offset_.push_back(offset(t) - offset(first));
    result.total += rows(t);
  }
  return result;
}

PooledVector<std::size_t> Steps::cuts(std::size_t parts) const {
  PooledVector<std::size_t> bounds{0};
  std::size_t done = 0,
              t = count();  // the sequences before `row` have `done` rows; those at `row` end before step t
  for (std::size_t row = 0; row < batch && bounds.size() < parts; ++row) {
    while (t > 0 && rows(t - 1) <= row) --t;
    done += t;
    if (done * parts >= total * bounds.size()) bounds.push_back(row + 1);
  }
  while (bounds.size() <= parts) bounds.push_back(batch);
  return bounds;
}

template <class S>
Buffer<S> previous_rows(const Steps& steps, const S* after, const Tensor<S>& initial) {
  const std::size_t width = initial.shape()[1];
  Buffer<S> result(steps.total * width);
  for (std::size_t k = 0; k < steps.count(); ++k) {
    const std::size_t t = steps.time(k), kept = steps.continued(k);
    S* to = result.data() + steps.offset(t) * width;
    if (kept > 0) {
      const S* from = after + steps.offset(steps.time(k - 1)) * width;
      to = std::copy(from, from + kept * width, to);
    }
    std::copy(initial.data() + kept * width, initial.data() + steps.rows(t) * width, to);
  }
  return result;
}
template Buffer<float> previous_rows(const Steps&, const float*, const Tensor<float>&);
template Buffer<double> previous_rows(const Steps&, const double*, const Tensor<double>&);

}  // namespace unroll::bptt
