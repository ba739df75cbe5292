#include "layers/bptt/steps.hpp"

#include <algorithm>

namespace unroll::bptt {

Steps Steps::dense(std::size_t steps, std::size_t batch, bool reverse) {
  Steps result;
  result.reverse = reverse;
  result.batch = batch;
  result.rows.assign(steps, batch);
  result.offset.resize(steps);
  for (std::size_t t = 0; t < steps; ++t) result.offset[t] = t * batch;
  result.total = steps * batch;
  return result;
}

Steps Steps::ragged(std::size_t steps, const std::vector<std::size_t>& lengths, bool reverse) {
  Steps result;
  result.reverse = reverse;
  result.batch = lengths.size();
  std::size_t alive = lengths.size();
  for (std::size_t t = 0; t < steps; ++t) {
    while (alive > 0 && lengths[alive - 1] <= t) --alive;
    result.rows.push_back(alive);
    result.offset.push_back(result.total);
    result.total += alive;
  }
  return result;
}

PooledVector<std::size_t> Steps::cuts(std::size_t parts) const {
  PooledVector<std::size_t> bounds{0};
  std::size_t done = 0,
              t = count();  // the sequences before `row` have `done` rows; those at `row` end before step t
  for (std::size_t row = 0; row < batch && bounds.size() < parts; ++row) {
    while (t > 0 && rows[t - 1] <= row) --t;
    done += t;
    if (done * parts >= total * bounds.size()) bounds.push_back(row + 1);
  }
  while (bounds.size() <= parts) bounds.push_back(batch);
  return bounds;
}

template <class S>
Tensor<S> previous_rows(const Steps& steps, const Tensor<S>& after, const Tensor<S>& initial) {
  const std::size_t width = initial.shape()[1];
  Tensor<S> result(Shape{steps.total, width});
  for (std::size_t k = 0; k < steps.count(); ++k) {
    const std::size_t t = steps.time(k), kept = steps.continued(k);
    S* to = result.data() + steps.offset[t] * width;
    if (kept > 0) {
      const S* from = after.data() + steps.offset[steps.time(k - 1)] * width;
      to = std::copy(from, from + kept * width, to);
    }
    std::copy(initial.data() + kept * width, initial.data() + steps.rows[t] * width, to);
  }
  return result;
}
template Tensor<float> previous_rows(const Steps&, const Tensor<float>&, const Tensor<float>&);
template Tensor<double> previous_rows(const Steps&, const Tensor<double>&, const Tensor<double>&);

}  // namespace unroll::bptt
