// LSTM: cell and layer. Equations and derivation: layers/lstm.md.
#pragma once

#include "layers/recurrent.hpp"

namespace unroll {

struct LstmOptions {
  Index input = 0;
  Index hidden = 0;
  Index projection = 0;  // P: h = W_hr (o tanh c) (Sak et al. 2014); 0: none, h has size H
  bool bias = true;
};

template <class S>
struct LstmState {
  using Scalar = S;
  Var<S> h;  // (B,H), with a projection (B,P)
  Var<S> c;  // (B,H)
  static void each(auto& self, auto&& visit) {
    visit("h", self.h);
    visit("c", self.c);
  }
};

// One LSTM step (Hochreiter and Schmidhuber 1997, with the forget gate of Gers et al. 2000), as PyTorch has
// it:
//   i, f, o = sigmoid(W_i. x + b_i. + W_h. h + b_h.),  g = tanh(W_ig x + b_ig + W_hg h + b_hg)
//   c' = f c + i g,  h' = o tanh(c')
// Parameters: weight_ih (4H,I), weight_hh (4H,H or P), bias_ih and bias_hh (4H), weight_hr (P,H); gate rows
// in the order i f g o. All are initialised U(-1/sqrt(H), 1/sqrt(H)).
template <class S>
struct LstmCell : MoveOnly {
  static constexpr const char* kKind = "Lstm";
  static constexpr const char* kGates[] = {"i", "f", "g", "o"};
  using State = LstmState<S>;
  LstmOptions options;
  Var<S> weight_ih, weight_hh, bias_ih, bias_hh, weight_hr;

  LstmCell() = default;
  // Throws ArgumentError for sizes below 1, or a projection outside 0..H-1.
  LstmCell(LstmOptions options, Rng& rng);
  // x (B,I), state h and c -> the next state.
  State step(const Var<S>& x, const State& state) const;
  State zero_state(std::size_t batch) const;
  Index output_size() const noexcept { return options.projection > 0 ? options.projection : options.hidden; }
  // The whole sequence by the hand-derived kernel (layers/bptt/lstm.hpp).
  detail::LayerResult<S, State> sequence(const Var<S>& x, const State& state, const bptt::Steps& steps) const;

  static void each(auto& self, auto&& visit) {
    visit("options", self.options);
    visit("weight_ih", self.weight_ih);
    visit("weight_hh", self.weight_hh);
    visit("bias_ih", self.bias_ih);
    visit("bias_hh", self.bias_hh);
    visit("weight_hr", self.weight_hr);
  }
};

// An LSTM over sequences: Lstm<float> lstm({.input = 28, .hidden = 64}, rng);  auto [y, states] = lstm(x);
template <class S>
using Lstm = Recurrent<LstmCell<S>>;

extern template struct LstmCell<float>;
extern template struct LstmCell<double>;
extern template class Recurrent<LstmCell<float>>;
extern template class Recurrent<LstmCell<double>>;

}  // namespace unroll
