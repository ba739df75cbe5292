#include "framework/tensor.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "framework/errors.hpp"

namespace unroll {

template class InlineVector<std::size_t>;
template class InlineVector<std::ptrdiff_t>;

void detail::throw_too_many_axes(std::size_t axes) {
  throw ShapeError(fmt::format("[Shape] expected at most {} axes, got {}", kMaxRank, axes));
}

void detail::check_elements(const std::size_t* sizes, std::size_t axes) {
  Index elements = 1;
  for (std::size_t axis = 0; axis < axes; ++axis) {
    const auto size = static_cast<Index>(sizes[axis]);
    // Below 0: a converted size of "-1".
    if (size >= 0 && (size == 0 || !__builtin_mul_overflow(elements, size, &elements))) continue;
    throw ShapeError(
        fmt::format("[Tensor] shape: expected a number of elements that memory can hold, got ({})",
                    fmt::join(sizes, sizes + axes, ",")));
  }
}

template <class S>
Tensor<S> from_values(const Shape& shape, const std::vector<S>& values) {
  if (element_count(shape) != values.size()) {
    throw ShapeError(fmt::format("[from_values] values: expected {} elements for shape {}, got {}",
                                 element_count(shape), to_string(shape), values.size()));
  }
  Tensor<S> tensor(shape);
  std::copy(values.begin(), values.end(), tensor.data());
  return tensor;
}
template Tensor<float> from_values(const Shape&, const std::vector<float>&);
template Tensor<double> from_values(const Shape&, const std::vector<double>&);
template Tensor<std::int64_t> from_values(const Shape&, const std::vector<std::int64_t>&);

std::string to_string(const Shape& shape) { return fmt::format("({})", fmt::join(shape, ",")); }

Shape broadcast_shapes(const char* op, const Shape& a, const Shape& b) {
  const bool a_longer = a.size() >= b.size();
  Shape out = a_longer ? a : b;
  const Shape& other = a_longer ? b : a;
  const std::size_t offset = out.size() - other.size();
  for (std::size_t i = 0; i < other.size(); ++i) {
    std::size_t& d = out[offset + i];
    if (d == other[i] || other[i] == 1) continue;
    if (d != 1) {
      throw ShapeError(
          fmt::format("[{}] expected shapes that broadcast (equal from the right, or 1), got {} and {}: {} "
                      "against {} on axis {}",
                      op, to_string(a), to_string(b), d, other[i], offset + i));
    }
    d = other[i];
  }
  return out;
}

std::size_t normalize_axis(const char* op, Index axis, std::size_t rank) {
  const auto signed_rank = static_cast<Index>(rank);
  if (axis < -signed_rank || axis >= signed_rank) {
    if (rank == 0) {
      throw ShapeError(
          fmt::format("[{}] axis: expected one of the tensor's, got {} (a scalar has none)", op, axis));
    }
    throw ShapeError(fmt::format("[{}] axis: expected -{}..{}, got {} (the tensor has {} axes)", op, rank,
                                 signed_rank - 1, axis, rank));
  }
  return static_cast<std::size_t>(axis < 0 ? axis + signed_rank : axis);
}

}  // namespace unroll
