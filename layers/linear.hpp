// Linear: y = x W^T + b.
#pragma once

#include "framework/ops.hpp"
#include "framework/random.hpp"
#include "layers/module.hpp"

namespace unroll {

struct LinearOptions {
  bool bias = true;
};

// y = x W^T + b: x (...,I) -> y (...,O), weight (O,I), bias (O). Initialised like PyTorch's: all elements
// U(-1/sqrt(I), 1/sqrt(I)). Throws ArgumentError for a size below 1, ShapeError for another input size.
template <class S>
struct Linear : MoveOnly {
  static constexpr const char* kName = "Linear";
  Var<S> weight, bias;

  Linear() = default;
  UNROLL_MOVE_ONLY(Linear)
  Linear(Index input, Index output, Rng& rng, LinearOptions options = {});
  Var<S> operator()(const Var<S>& x) const;
  std::string extra_repr() const;

  static void each(auto& self, auto&& visit) {
    visit("weight", self.weight);
    visit("bias", self.bias);
  }
};

extern template struct Linear<float>;
extern template struct Linear<double>;

}  // namespace unroll
