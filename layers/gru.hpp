// GRU: cell and layer. Equations and derivation: layers/gru.md.
#pragma once

#include <string>
#include <vector>

#include "layers/activation.hpp"
#include "layers/recurrent.hpp"
#include "layers/recurrent/init.hpp"

namespace unroll {

// Where the reset gate acts: on W_hn h + b_hn (cuDNN, PyTorch), or on h before the product (Cho et al. 2014).
enum class GruReset { after, before };
// The meaning of z = 1: keep the old state (Cho et al. 2014, PyTorch), or take the new one (Chung et al.
// 2014).
enum class GruUpdate { z_keeps, z_updates };

struct GruOptions {
  Index input = 0;
  Index hidden = 0;
  Bias bias = Bias::both;
  GruReset reset = GruReset::after;
  GruUpdate update = GruUpdate::z_keeps;
  Activation gate_activation = Activation::sigmoid();  // for r and z
  Activation activation = Activation::tanh();          // for n
  RecurrentInit recurrent_init = RecurrentInit::uniform;
};

// One GRU step (Cho et al. 2014):
//   r, z = sigmoid(W_i. x + b_i. + W_h. h + b_h.)
//   reset after:  n = tanh(W_in x + b_in + r (W_hn h + b_hn))
//   reset before: n = tanh(W_in x + b_in + W_hn (r h) + b_hn)
//   z keeps: h' = z h + (1-z) n;   z updates: h' = (1-z) h + z n
// Parameters: weight_ih (3H,I), weight_hh (3H,H), bias_ih and bias_hh (3H); gate rows in the order r z n. All
// are initialised U(-1/sqrt(H), 1/sqrt(H)) unless recurrent_init says otherwise.
template <class S>
struct GruCell : MoveOnly {
  static constexpr const char* kName = "Gru";
  using State = Var<S>;  // h (B,H)
  GruOptions options;
  Var<S> weight_ih, weight_hh, bias_ih, bias_hh;

  GruCell() = default;
  UNROLL_MOVE_ONLY(GruCell)
  // Throws ArgumentError for sizes below 1.
  GruCell(GruOptions options, Rng& rng);
  // Returns the next h: x (B,I), h (B,H).
  Var<S> step(const Var<S>& x, const Var<S>& h) const { return step(x, h, h); }
  // Does the same; W_h. reads h_read instead of h (recurrent dropout).
  Var<S> step(const Var<S>& x, const Var<S>& h, const Var<S>& h_read) const;
  std::vector<std::string> gates() const { return {"r", "z", "n"}; }
  // Throws ShapeError unless the parameters have the shapes that the options require; kernels rely on it.
  void check_parameters(const detail::LayerName& layer) const;
  // Returns the first option that the kernel does not support, or null.
  const char* unsupported_option() const noexcept;
  // Returns the hand-derived kernel (layers/kernels/gru.hpp), for all options but those that
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

// A GRU layer: Gru<float> gru({.input = 28, .hidden = 64}, rng);  auto [y, states] = gru(x);
template <class S>
using Gru = Recurrent<GruCell<S>>;

extern template struct GruCell<float>;
extern template struct GruCell<double>;
extern template class Recurrent<GruCell<float>>;
extern template class Recurrent<GruCell<double>>;

}  // namespace unroll
