// LSTM: cell and layer. Equations and derivation: layers/lstm.md.
#pragma once

#include <array>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "layers/activation.hpp"
#include "layers/recurrent.hpp"
#include "layers/recurrent/init.hpp"

namespace unroll {

struct LstmOptions {
  Index input = 0;
  Index hidden = 0;
  Index projection = 0;  // P: h = W_hr (o tanh c) (Sak et al. 2014); 0: none, h has size H
  Bias bias = Bias::both;
  bool peepholes = false;   // the gates see c (Gers and Schmidhuber 2000)
  bool layer_norm = false;  // of the input and recurrent products and of c (Ba et al. 2016)
  bool coupled = false;     // f = 1 - i (Greff et al. 2017); the stacked parameters have no rows for f
  Activation gate_activation = Activation::sigmoid();  // for i, f and o
  Activation activation = Activation::tanh();          // for g
  Activation output_activation = Activation::tanh();   // for c in h' = o tanh(c')
  std::optional<double> forget_bias =
      {};  // initial b_if + b_hf, for example 1 (Jozefowicz et al. 2015); none: drawn
  RecurrentInit recurrent_init = RecurrentInit::uniform;
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

// One LSTM step (Hochreiter and Schmidhuber 1997, with the forget gate of Gers et al. 2000), as in PyTorch:
//   i, f, o = sigmoid(W_i. x + b_i. + W_h. h + b_h.),  g = tanh(W_ig x + b_ig + W_hg h + b_hg)
//   c' = f c + i g,  h' = o tanh(c'),  with a projection h' = W_hr (o tanh(c'))
// The options change only these lines:
//   peepholes   i, f, o = sigmoid(... + p_i c), sigmoid(... + p_f c), sigmoid(... + p_o c'), p diagonal
//   coupled     f = 1 - i, and the rows of f are missing everywhere
//   layer_norm  W_i. x + b_i. + W_h. h + b_h.  ->  LN(W_i. x) w_i. + b_i. + LN(W_h. h) w_h. + b_h.
//               tanh(c')  ->  tanh(LN(c') w_c + b_c);  LN standardises over all gates' rows together
// Parameters: weight_ih (4H,I), weight_hh (4H,H or P), bias_ih and bias_hh (4H), weight_hr (P,H); gate rows
// in the order i f g o (coupled: 3H, i g o). With peepholes weight_ch (3H), in the order i f o (coupled: 2H,
// i o). All are initialised U(-1/sqrt(H), 1/sqrt(H)) unless recurrent_init or forget_bias says otherwise.
// With layer_norm norm_ih and norm_hh (4H; coupled: 3H) and norm_c (H), initially 1, and norm_c_bias (H),
// initially 0.
template <class S>
struct LstmCell : MoveOnly {
  static constexpr const char* kName = "Lstm";
  using State = LstmState<S>;
  LstmOptions options;
  Var<S> weight_ih, weight_hh, bias_ih, bias_hh, weight_hr;
  Var<S> weight_ch, norm_ih, norm_hh, norm_c, norm_c_bias;

  LstmCell() = default;
  UNROLL_MOVE_ONLY(LstmCell)
  // Throws ArgumentError for sizes below 1, a projection outside 0..H-1, or a forget_bias without a bias or
  // with coupled gates.
  LstmCell(LstmOptions options, Rng& rng);
  // Returns the next state: x (B,I), state h and c.
  State step(const Var<S>& x, const State& state) const;
  State zero_state(std::size_t batch) const;
  Index output_size() const noexcept { return options.projection > 0 ? options.projection : options.hidden; }
  std::vector<std::string> gates() const;
  // Throws ShapeError unless the parameters have the shapes that the options require; kernels rely on it.
  void check_parameters(const detail::LayerName& layer) const;
  // Returns the first option that the kernel does not support, or null.
  const char* unsupported_option() const noexcept;
  // Returns the hand-derived kernel (layers/kernels/lstm.hpp), for all options but those that
  // unsupported_option() names.
  bptt::Kernel<S> kernel() const noexcept;

  static void each(auto& self, auto&& visit) {
    visit("options", self.options);
    visit("weight_ih", self.weight_ih);
    visit("weight_hh", self.weight_hh);
    visit("bias_ih", self.bias_ih);
    visit("bias_hh", self.bias_hh);
    visit("weight_hr", self.weight_hr);
    visit("weight_ch", self.weight_ch);
    visit("norm_ih", self.norm_ih);
    visit("norm_hh", self.norm_hh);
    visit("norm_c", self.norm_c);
    visit("norm_c_bias", self.norm_c_bias);
  }
};

// An LSTM layer: Lstm<float> lstm({.input = 28, .hidden = 64}, rng);  auto [y, states] = lstm(x);
template <class S>
using Lstm = Recurrent<LstmCell<S>>;

extern template struct LstmCell<float>;
extern template struct LstmCell<double>;
extern template class Recurrent<LstmCell<float>>;
extern template class Recurrent<LstmCell<double>>;

}  // namespace unroll
