// Minimal gated unit: cell and layer. Equations and derivation: layers/mgu.md.
#pragma once

#include <string>
#include <vector>

#include "layers/recurrent.hpp"
#include "layers/recurrent/init.hpp"

namespace unroll {

struct MguOptions {
  Index input = 0;
  Index hidden = 0;
  Bias bias = Bias::both;
  RecurrentInit recurrent_init = RecurrentInit::uniform;
};

// One step of a minimal gated unit (Zhou et al. 2016), a GRU with one gate for reset and update:
//   f  = sigmoid(W_if x + b_if + W_hf h + b_hf)
//   n  = tanh(W_in x + b_in + W_hn (f h) + b_hn)
//   h' = (1-f) h + f n
// Parameters: weight_ih (2H,I), weight_hh (2H,H), bias_ih and bias_hh (2H); gate rows in the order f n. All
// are initialised U(-1/sqrt(H), 1/sqrt(H)) unless recurrent_init says otherwise.
template <class S>
struct MguCell : MoveOnly {
  static constexpr const char* kName = "Mgu";
  using State = Var<S>;  // h (B,H)
  MguOptions options;
  Var<S> weight_ih, weight_hh, bias_ih, bias_hh;

  MguCell() = default;
  UNROLL_MOVE_ONLY(MguCell)
  // Throws ArgumentError for sizes below 1.
  MguCell(MguOptions options, Rng& rng);
  // Returns the next h: x (B,I), h (B,H).
  Var<S> step(const Var<S>& x, const Var<S>& h) const { return step(x, h, h); }
  // Does the same; W_h. reads h_read instead of h (recurrent dropout).
  Var<S> step(const Var<S>& x, const Var<S>& h, const Var<S>& h_read) const;
  std::vector<std::string> gates() const { return {"f", "n"}; }
  // Throws ShapeError unless the parameters have the shapes that the options require; kernels rely on it.
  void check_parameters(const detail::LayerName& layer) const;
  // Returns the hand-derived kernel (layers/kernels/mgu.hpp).
  bptt::Kernel<S> kernel() const noexcept;

  static void each(auto& self, auto&& visit) {
    visit("options", self.options);
    visit("weight_ih", self.weight_ih);
    visit("weight_hh", self.weight_hh);
    visit("bias_ih", self.bias_ih);
    visit("bias_hh", self.bias_hh);
  }
};

// A minimal gated unit layer: Mgu<float> mgu({.input = 28, .hidden = 64}, rng);
template <class S>
using Mgu = Recurrent<MguCell<S>>;

extern template struct MguCell<float>;
extern template struct MguCell<double>;
extern template class Recurrent<MguCell<float>>;
extern template class Recurrent<MguCell<double>>;

}  // namespace unroll
