// LayerNorm: normalises over the last axis.
#pragma once

#include "framework/ops.hpp"
#include "layers/module.hpp"

namespace unroll {

struct LayerNormOptions {
  double eps = 1e-5;
  bool affine = true;  // learns weight and bias
};

// (x - mean) / sqrt(var + eps) * weight + bias over the last axis C (Ba, Kiros and Hinton 2016): x (...,C),
// weight (C) initially ones, bias (C) initially zeros. Throws ArgumentError for a size below 1 or eps < 0,
// ShapeError for another input size.
template <class S>
struct LayerNorm : MoveOnly {
  static constexpr const char* kName = "LayerNorm";
  LayerNormOptions options;
  Index size = 0;
  Var<S> weight, bias;

  LayerNorm() = default;
  UNROLL_MOVE_ONLY(LayerNorm)
  explicit LayerNorm(Index features, LayerNormOptions options = {});
  Var<S> operator()(const Var<S>& x) const;
  std::string extra_repr() const;

  static void each(auto& self, auto&& visit) {
    visit("options", self.options);
    visit("size", self.size);
    visit("weight", self.weight);
    visit("bias", self.bias);
  }
};

extern template struct LayerNorm<float>;
extern template struct LayerNorm<double>;

}  // namespace unroll
