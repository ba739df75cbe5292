#include "layers/recurrent/batch_layout.hpp"

#include <algorithm>

namespace unroll::bptt {

BatchLayout BatchLayout::dense(std::size_t steps, std::size_t batch, bool reverse) noexcept {
  BatchLayout result;
  result.reverse = reverse;
  result.batch = batch;
  result.count_ = steps;
  result.total = steps * batch;
  return result;
}

BatchLayout BatchLayout::ragged(std::size_t steps, const std::vector<std::size_t>& lengths, bool reverse) {
  if (lengths.empty() || lengths.back() == steps) return dense(steps, lengths.size(), reverse);
  BatchLayout result;
  result.reverse = reverse;
  result.batch = lengths.size();
  result.count_ = steps;
  std::size_t alive = lengths.size();
  for (std::size_t t = 0; t < steps; ++t) {
    while (alive > 0 && lengths[alive - 1] <= t) --alive;
    result.sizes_.push_back(alive);
    result.offset_.push_back(result.total);
    result.total += alive;
  }
  return result;
}

BatchLayout BatchLayout::part(std::size_t first, std::size_t last) const {
  if (first == last || batch_size(last - 1) == batch) return dense(last - first, batch, reverse);
  BatchLayout result;
  result.reverse = reverse;
  result.batch = batch;
  result.count_ = last - first;
  for (std::size_t t = first; t < last; ++t) {
    result.sizes_.push_back(batch_size(t));
    result.offset_.push_back(offset(t) - offset(first));
    result.total += batch_size(t);
  }
  return result;
}

PooledVector<std::size_t> BatchLayout::cuts(std::size_t parts) const {
  PooledVector<std::size_t> bounds{0};
  std::size_t done = 0,
              t = count();  // the sequences before `row` have `done` rows; those at `row` end before step t
  for (std::size_t row = 0; row < batch && bounds.size() < parts; ++row) {
    while (t > 0 && batch_size(t - 1) <= row) --t;
    done += t;
    if (done * parts >= total * bounds.size()) bounds.push_back(row + 1);
  }
  while (bounds.size() <= parts) bounds.push_back(batch);
  return bounds;
}

TimeChunk::TimeChunk(const BatchLayout& all, std::size_t first, std::size_t last)
    : layout(all.part(first, last)),
      row(first < all.count() ? all.offset(first) : all.total),
      begins(first == 0),
      row_before(first > 0 ? all.offset(first - 1) : 0) {}

namespace {

// Returns the same shape for another number of steps; packed rows have two axes.
Shape with_steps(Shape shape, const BatchLayout& layout) {
  shape[0] = shape.size() == 2 ? layout.total : layout.count();
  return shape;
}

}  // namespace

template <class S>
Tensor<S> TimeChunk::take(const Tensor<S>& whole, const BatchLayout& all) const {
  const std::size_t width = whole.size() / all.total;
  Tensor<S> part(with_steps(whole.shape(), layout));
  std::copy_n(whole.data() + row * width, part.size(), part.data());
  return part;
}
template Tensor<float> TimeChunk::take(const Tensor<float>&, const BatchLayout&) const;
template Tensor<double> TimeChunk::take(const Tensor<double>&, const BatchLayout&) const;

template <class S>
void TimeChunk::put(const Tensor<S>& part, Tensor<S>& whole, const BatchLayout& all) const {
  if (whole.dimension() == 0) whole = Tensor<S>(with_steps(part.shape(), all));
  const std::size_t width = whole.size() / all.total;
  std::copy_n(part.data(), part.size(), whole.data() + row * width);
}
template void TimeChunk::put(const Tensor<float>&, Tensor<float>&, const BatchLayout&) const;
template void TimeChunk::put(const Tensor<double>&, Tensor<double>&, const BatchLayout&) const;

PooledVector<TimeChunk> time_chunks(const BatchLayout& all, std::size_t count) {
  PooledVector<TimeChunk> chunks;
  chunks.reserve(count);
  if (count == 1) {
    chunks.emplace_back(all);
    return chunks;
  }
  std::size_t first = 0;
  for (std::size_t i = 1; i <= count; ++i) {
    std::size_t last = first;
    while (last < all.count() && (i == count || all.offset(last) * count < all.total * i)) ++last;
    chunks.emplace_back(all, first, last);
    first = last;
  }
  return chunks;
}

}  // namespace unroll::bptt
