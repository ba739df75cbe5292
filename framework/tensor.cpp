#include "framework/tensor.hpp"

#include <fmt/format.h>

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

template class Tensor<float>;
template class Tensor<double>;
template class Tensor<std::int64_t>;
template class Tensor<bool>;

}  // namespace unroll
