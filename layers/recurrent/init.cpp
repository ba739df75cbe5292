#include "layers/recurrent/init.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>

#include "framework/errors.hpp"

namespace unroll::detail {

void check_cell_sizes(const char* layer, Index input, Index hidden) {
  if (input < 1 || hidden < 1) {
    throw ArgumentError(
        fmt::format("[{}] input and hidden: expected sizes >= 1, got {} and {}", layer, input, hidden));
  }
  constexpr Index kMost = Index{1} << 40;  // so that the gates' rows can be counted
  if (input > kMost || hidden > kMost) {
    throw ArgumentError(
        fmt::format("[{}] input and hidden: expected sizes whose weights fit in memory, got {} and {}", layer,
                    input, hidden));
  }
}

void throw_parameter_shape(const LayerName& layer, const char* name, const Shape& want, const Shape* got) {
  throw ShapeError(fmt::format("[{}.forward] {}: expected {} for the cell's options, got {}", layer.str(),
                               name, to_string(want), got == nullptr ? "none" : to_string(*got)));
}

void check_parameter_size(const char* layer, const char* name, const Shape& shape, std::size_t bytes) {
  std::size_t most = static_cast<std::size_t>(PTRDIFF_MAX) / bytes;
  for (const std::size_t size : shape) {
    if (size > most) {
      throw ArgumentError(
          fmt::format("[{}] {}: expected sizes that fit in memory, got {}", layer, name, to_string(shape)));
    }
    most /= std::max<std::size_t>(size, 1);
  }
}

void throw_empty_layer(const char* layer, const char* function) {
  throw ArgumentError(fmt::format(
      "[{}.{}] layer: expected one with parameters, got an empty one (default-constructed or moved from)",
      layer, function));
}

void throw_no_memory(const char* layer, const char* name, const Shape& shape, const MemoryError& error) {
  throw MemoryError(fmt::format("[{}] {} {}: {}", layer, name, to_string(shape), error.what()));
}

template <class S>
Var<S> CellParameters<S>::recurrent(std::size_t gates, std::size_t width, RecurrentInit init,
                                    const char* name) const {
  if (init == RecurrentInit::uniform) return uniform({gates * hidden_, width}, name);
  const Shape shape{gates * hidden_, width};
  return new_parameter<S>(layer_, name, shape, [&] {
    Tensor<S> weight(shape);
    for (std::size_t gate = 0; gate < gates; ++gate) {
      const Tensor<S> block = orthogonal<S>({hidden_, width}, rng_);
      std::copy(block.data(), block.data() + block.size(), weight.data() + gate * block.size());
    }
    return weight;
  });
}

template class CellParameters<float>;
template class CellParameters<double>;

}  // namespace unroll::detail
