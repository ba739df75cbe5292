// Functions that several files of losses share. Internal.
#pragma once

#include "layers/losses.hpp"

namespace unroll::detail {

template <class S>
Var<S> reduce(const Var<S>& losses, Reduction reduction) {
  switch (reduction) {
    case Reduction::mean:
      return mean(losses);
    case Reduction::sum:
      return sum(losses);
    case Reduction::none:
      break;
  }
  return losses;
}

// Throws ShapeError naming the loss.
void check_same_shape(const char* loss, const Shape& prediction, const Shape& target);

}  // namespace unroll::detail
