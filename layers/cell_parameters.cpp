#include "layers/cell_parameters.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "framework/errors.hpp"

namespace unroll::detail {

void check_cell_sizes(const char* layer, Index input, Index hidden) {
  if (input < 1 || hidden < 1) {
    throw ArgumentError(
        fmt::format("[{}] input and hidden want sizes >= 1, got {} and {}", layer, input, hidden));
  }
}

template <class S>
Var<S> CellParameters<S>::recurrent(std::size_t gates, std::size_t width, RecurrentInit init,
                                    const char* name) const {
  if (init == RecurrentInit::uniform) return uniform({gates * hidden_, width}, name);
  Tensor<S> weight(Shape{gates * hidden_, width});
  for (std::size_t gate = 0; gate < gates; ++gate) {
    const Tensor<S> block = orthogonal<S>({hidden_, width}, rng_);
    std::copy(block.data(), block.data() + block.size(), weight.data() + gate * block.size());
  }
  return parameter(std::move(weight), name);
}

template class CellParameters<float>;
template class CellParameters<double>;

}  // namespace unroll::detail
