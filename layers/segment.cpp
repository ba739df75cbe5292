#include "layers/segment.hpp"

#include <algorithm>

namespace unroll::detail {
namespace {

// The same shape with room for other steps; packed rows have two axes.
Shape with_steps(Shape shape, const bptt::Steps& steps) {
  shape[0] = shape.size() == 2 ? steps.total : steps.count();
  return shape;
}

}  // namespace

Segment::Segment(const bptt::Steps& all, std::size_t begin, std::size_t end) {
  const std::size_t first = all.reverse ? all.count() - end : begin, last = first + (end - begin);
  first_row = all.offset(first);
  steps = all.stretch(first, last);
}

template <class S>
Tensor<S> Segment::take(const Tensor<S>& whole, const bptt::Steps& all) const {
  const std::size_t width = whole.size() / all.total;
  Tensor<S> part(with_steps(whole.shape(), steps));
  std::copy_n(whole.data() + first_row * width, part.size(), part.data());
  return part;
}
template Tensor<float> Segment::take(const Tensor<float>&, const bptt::Steps&) const;
template Tensor<double> Segment::take(const Tensor<double>&, const bptt::Steps&) const;

template <class S>
void Segment::put(const Tensor<S>& part, Tensor<S>& whole, const bptt::Steps& all) const {
  if (whole.dimension() == 0) whole = Tensor<S>(with_steps(part.shape(), all));
  const std::size_t width = whole.size() / all.total;
  std::copy_n(part.data(), part.size(), whole.data() + first_row * width);
}
template void Segment::put(const Tensor<float>&, Tensor<float>&, const bptt::Steps&) const;
template void Segment::put(const Tensor<double>&, Tensor<double>&, const bptt::Steps&) const;

}  // namespace unroll::detail
