// RNN: cell and layer. Equations and derivation: layers/rnn.md.
#pragma once

#include <string>
#include <vector>

#include "layers/activation.hpp"
#include "layers/recurrent.hpp"
#include "layers/recurrent/init.hpp"

namespace unroll {

struct RnnOptions {
  Index input = 0;
  Index hidden = 0;
  Bias bias = Bias::both;
  Activation activation = Activation::tanh();
  RecurrentInit recurrent_init = RecurrentInit::uniform;
};

// One step of an Elman RNN (Elman 1990): h' = f(W_ih x + b_ih + W_hh h + b_hh), f = tanh, relu or any other
// function. Parameters: weight_ih (H,I), weight_hh (H,H), bias_ih and bias_hh (H). All are initialised
// U(-1/sqrt(H), 1/sqrt(H)) unless recurrent_init says otherwise.
template <class S>
struct RnnCell : MoveOnly {
  static constexpr const char* kName = "Rnn";
  using State = Var<S>;  // h (B,H)
  RnnOptions options;
  Var<S> weight_ih, weight_hh, bias_ih, bias_hh;

  RnnCell() = default;
  UNROLL_MOVE_ONLY(RnnCell)
  // Throws ArgumentError for sizes below 1.
  RnnCell(RnnOptions options, Rng& rng);
  // Returns the next h: x (B,I), h (B,H).
  Var<S> step(const Var<S>& x, const Var<S>& h) const;
  std::vector<std::string> gates() const { return {"h"}; }
  // Throws ShapeError unless the parameters have the shapes that the options require; kernels rely on it.
  void check_parameters(const detail::LayerName& layer) const;
  // Returns the first option that the kernel does not support, or null.
  const char* unsupported_option() const noexcept;
  // Returns the hand-derived kernel (layers/kernels/rnn.hpp), for all options but those that
  // unsupported_option() names.
  bptt::Kernel<S> kernel() const noexcept;

  static void each(auto& self, auto&& visit) {
    visit("options", self.options);
    visit("weight_ih", self.weight_ih);
    visit("weight_hh", self.weight_hh);
    visit("bias_ih", self.bias_ih);
    visit("bias_hh", self.bias_hh);
  }
};

// An RNN layer: Rnn<float> rnn({.input = 28, .hidden = 64}, rng);  auto [y, states] = rnn(x);
template <class S>
using Rnn = Recurrent<RnnCell<S>>;

extern template struct RnnCell<float>;
extern template struct RnnCell<double>;
extern template class Recurrent<RnnCell<float>>;
extern template class Recurrent<RnnCell<double>>;

}  // namespace unroll
