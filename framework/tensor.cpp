#include "framework/tensor.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "framework/errors.hpp"

namespace unroll {

template <class S>
Tensor<S> from_values(const Shape& shape, std::span<const S> values) {
  if (element_count(shape) != values.size()) {
    throw ShapeError(fmt::format("[from_values] values: expected {} elements for shape {}, got {}",
                                 element_count(shape), to_string(shape), values.size()));
  }
  Tensor<S> tensor(shape);
  std::copy(values.begin(), values.end(), tensor.data());
  return tensor;
}
template Tensor<float> from_values(const Shape&, std::span<const float>);
template Tensor<double> from_values(const Shape&, std::span<const double>);
template Tensor<std::int64_t> from_values(const Shape&, std::span<const std::int64_t>);

template <class S>
Tensor<S>& Tensor<S>::reshape_to(std::span<const Index> sizes) {
  Shape shape;
  std::size_t known = 1, unknown = kMaxRank;
  for (std::size_t axis = 0; axis < sizes.size(); ++axis) {
    shape.push_back(static_cast<std::size_t>(sizes[axis]));
    if (sizes[axis] == -1 && unknown == kMaxRank) {
      unknown = axis;
    } else {
      known *= shape[axis];
    }
  }
  if (unknown < kMaxRank && known != 0) shape[unknown] = elements_.size() / known;
  detail::LayoutRef layout(detail::layout_of(shape));
  if (layout->elements != elements_.size()) {
    throw ShapeError(fmt::format("[Tensor::reshape] shape: expected {} elements, got ({})", elements_.size(),
                                 fmt::join(sizes, ",")));
  }
  layout_ = std::move(layout);
  return *this;
}

template class Tensor<float>;
template class Tensor<double>;
template class Tensor<std::int64_t>;
template class Tensor<bool>;

}  // namespace unroll
