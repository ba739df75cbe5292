// sLSTM: an LSTM with exponential gates, kept in range by a running maximum.
#pragma once

#include <cmath>
#include <limits>
#include <xtensor/xbuilder.hpp>

#include "unroll.hpp"

namespace unroll::gallery {

struct SlstmOptions {
  Index input = 0, hidden = 0;
  Index heads = 1;  // of hidden / heads units, which read each other
};

template <class S>
struct SlstmState {
  Var<S> h, c, n, m;  // (B,H): output, cell, normalizer, stabilizer
  static void each(auto& self, auto&& visit) {
    visit("h", self.h);
    visit("c", self.c);
    visit("n", self.n);
    visit("m", self.m);
  }
};

// Beck et al. 2024, the cell without its block's convolution and normalization:
//   [i f z o] = W x + h R + b,  a = log(sigmoid(f)) + m,  m' = max(i, a)
//   c' = exp(a - m') c + exp(i - m') tanh(z),  n' = exp(a - m') n + exp(i - m'),  h' = sigmoid(o) c' / n'
// Parameters: weight_ih (4H,I), gate by gate; as in NX-AI/xlstm, recurrent_kernel (heads,d,4,d), the blocks
// of R by head, input, gate and output, d = H / heads; bias (heads,4,d). m starts at -infinity: the first
// step forgets nothing.
template <class S>
struct SlstmCell {
  static constexpr const char* kName = "Slstm";
  using State = SlstmState<S>;
  SlstmOptions options;
  Var<S> weight_ih, recurrent_kernel, bias;

  SlstmCell() = default;
  SlstmCell(SlstmOptions o, Rng& rng) : options(o) {
    const auto heads = static_cast<std::size_t>(o.heads), d = static_cast<std::size_t>(o.hidden / o.heads);
    const double scale = 1.0 / std::sqrt(static_cast<double>(d));
    weight_ih = Linear<S>(o.input, 4 * o.hidden, rng).weight;
    recurrent_kernel = parameter(random_uniform<S>({heads, d, 4, d}, -scale, scale, rng), "recurrent_kernel");
    bias = parameter(zeros<S>({heads, 4, d}), "bias");
  }
  State zero_state(std::size_t batch) const {
    const Shape shape{batch, static_cast<std::size_t>(options.hidden)};
    const Var<S> zero = Var<S>::zeros(shape);
    return {zero, zero, zero, Var<S>(full<S>(shape, -std::numeric_limits<S>::infinity()))};
  }

  // Returns the next state: x (B,I).
  State step(const Var<S>& x, const State& state) const {
    const Index heads = options.heads, d = options.hidden / heads;
    // A matrix (H,4H) that is 0 where a unit is of another head, gate by gate.
    const Tensor<S> identity = xt::eye<S>(static_cast<std::size_t>(heads));
    const Var<S> same_head = reshape(Var<S>(identity), {heads, 1, 1, heads, 1});
    const Var<S> r = reshape(reshape(recurrent_kernel, {heads, d, 4, 1, d}) * same_head, {heads * d, -1});
    const Var<S> b = reshape(permute(bias, {1, 0, 2}), {-1});
    const auto gate = chunk(linear(x, weight_ih, b) + matmul(state.h, r), 4, 1);
    const Var<S> kept = state.m - softplus(-gate[1]), m = maximum(gate[0], kept);
    const Var<S> i = exp(gate[0] - m), f = exp(kept - m);
    const Var<S> c = f * state.c + i * tanh(gate[2]), n = f * state.n + i;
    return {sigmoid(gate[3]) * c / n, c, n, m};
  }
  static void each(auto& self, auto&& visit) {
    visit("options", self.options);
    visit("weight_ih", self.weight_ih);
    visit("recurrent_kernel", self.recurrent_kernel);
    visit("bias", self.bias);
  }
};

}  // namespace unroll::gallery
