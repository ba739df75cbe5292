// SRU: a cell with light recurrence and a highway past it.
#pragma once

#include <algorithm>
#include <cmath>

#include "unroll.hpp"

namespace unroll::gallery {

struct SruOptions {
  Index input = 0, hidden = 0;
  bool use_tanh = false;
  bool has_skip_term = true;
  bool rescale = true;  // x on the highway is scaled by sqrt(1 + 2 exp(highway_bias)), if I = H
  double highway_bias = 0.0;
};

template <class S>
struct SruState {
  Var<S> h, c;  // (B,H)
  static void each(auto& self, auto&& visit) {
    visit("h", self.h);
    visit("c", self.c);
  }
};

// Lei et al. 2018:
//   f = sigmoid(U_1 + v_f * c + b_f),  r = sigmoid(U_2 + v_r * c + b_r),  U_g = x W_g
//   c' = f c + (1-f) U_0,  h' = r g(c') + (1-r) x',  g = tanh or identity
// x' is x, scaled; U_3 if I != H; 0 without the skip term. Parameters as in asappresearch/sru: weight (I,kH),
// where column jk + g belongs to unit j and matrix g; weight_c (2H) v_f v_r; bias (2H) b_f b_r.
template <class S>
struct SruCell {
  static constexpr const char* kName = "Sru";
  using State = SruState<S>;
  SruOptions options;
  Var<S> weight, weight_c, bias;

  SruCell() = default;
  SruCell(SruOptions o, Rng& rng) : options(o) {
    const auto I = static_cast<std::size_t>(o.input), H = static_cast<std::size_t>(o.hidden);
    const double bound = std::sqrt(3.0 / static_cast<double>(o.input));
    weight = parameter(random_uniform<S>({I, matrices() * H}, -bound, bound, rng), "weight");
    weight_c = parameter(random_uniform<S>({2 * H}, -std::sqrt(3.0), std::sqrt(3.0), rng), "weight_c");
    bias = parameter(zeros<S>({2 * H}), "bias");
    std::fill_n(bias.mutable_value().data() + H, H, static_cast<S>(o.highway_bias));
  }
  std::size_t matrices() const { return options.has_skip_term && options.input != options.hidden ? 4 : 3; }

  double highway_scale() const {
    return options.rescale && matrices() == 3 ? std::sqrt(1.0 + 2.0 * std::exp(options.highway_bias)) : 1.0;
  }

  // Returns the next state: x (B,I).
  State step(const Var<S>& x, const State& state) const {
    const auto k = static_cast<Index>(matrices());
    const Var<S> by_matrix = permute(reshape(weight, {options.input, options.hidden, k}), {0, 2, 1});
    const auto u = chunk(matmul(x, reshape(by_matrix, {options.input, -1})), k, 1);
    const auto v = chunk(weight_c, 2), b = chunk(bias, 2);
    const Var<S> f = sigmoid(u[1] + v[0] * state.c + b[0]), r = sigmoid(u[2] + v[1] * state.c + b[1]);
    const Var<S> c = f * state.c + (1.0 - f) * u[0];
    const Var<S> h = r * (options.use_tanh ? tanh(c) : c);
    if (!options.has_skip_term) return {h, c};
    return {h + (1.0 - r) * (k == 4 ? u[3] : highway_scale() * x), c};
  }
  static void each(auto& self, auto&& visit) {
    visit("options", self.options);
    visit("weight", self.weight);
    visit("weight_c", self.weight_c);
    visit("bias", self.bias);
  }
};

}  // namespace unroll::gallery
