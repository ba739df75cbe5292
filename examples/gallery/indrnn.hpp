// IndRNN: every unit reads its own state alone.
#pragma once

#include "unroll.hpp"

namespace unroll::gallery {

struct IndRnnOptions {
  Index input = 0, hidden = 0;
  Activation activation = Activation::relu();
};

// Li et al. 2018:
//   h' = f(W x + u * h + b)
// Parameters: weight_ih (H,I), weight_hh (H), which is u, and bias (H). u is drawn from U(-1, 1), the others
// as in Linear.
template <class S>
struct IndRnnCell {
  static constexpr const char* kName = "IndRnn";
  IndRnnOptions options;
  Var<S> weight_ih, weight_hh, bias;

  IndRnnCell() = default;
  IndRnnCell(IndRnnOptions o, Rng& rng) : options(o) {
    Linear<S> linear(o.input, o.hidden, rng);
    weight_ih = linear.weight;
    bias = linear.bias;
    weight_hh = parameter(random_uniform<S>(bias.shape(), -1.0, 1.0, rng), "weight_hh");
  }

  // Returns the next h: x (B,I), h (B,H).
  Var<S> step(const Var<S>& x, const Var<S>& h) const {
    return options.activation(linear(x, weight_ih, bias) + weight_hh * h);
  }
  static void each(auto& self, auto&& visit) {
    visit("options", self.options);
    visit("weight_ih", self.weight_ih);
    visit("weight_hh", self.weight_hh);
    visit("bias", self.bias);
  }
};

}  // namespace unroll::gallery
