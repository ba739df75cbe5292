// Hand-derived LSTM over a sequence: forward and backpropagation through time, the results constants.
// Derivation: layers/lstm.md.
#pragma once

#include "framework/var.hpp"
#include "layers/bptt/steps.hpp"
#include "layers/bptt/wanted.hpp"

namespace unroll::bptt {

// Gate order i f g o. P = H unless there is a projection. Null: absent.
template <class S>
struct LstmWeights {
  const Tensor<S>* weight_ih = nullptr;  // (4H,I)
  const Tensor<S>* weight_hh = nullptr;  // (4H,P)
  const Tensor<S>* bias_ih = nullptr;    // (4H)
  const Tensor<S>* bias_hh = nullptr;    // (4H)
  const Tensor<S>* weight_hr = nullptr;  // (P,H)
};

template <class S>
struct LstmForward {
  Var<S> output;  // (T,B,P), or (N,P), as x: h of every alive step
  Var<S> h_n;     // (B,P) after each sequence's own last step
  Var<S> c_n;     // (B,H)
  Var<S> cell;    // (T,B,H), or (N,H), as x: c of every alive step
  // Kept for the way back:
  Var<S> gates;        // (N,4H) i f g o after their activations
  Var<S> tanh_cell;    // (N,H); empty: too many to keep
  Var<S> unprojected;  // (N,H) o tanh(c), only with a projection
};

// x (T,B,I), or packed (N,I). h0 (B,P), c0 (B,H). Without keep there is no way back, and no `cell` either.
template <class S>
LstmForward<S> lstm_forward(const Tensor<S>& x, const Tensor<S>& h0, const Tensor<S>& c0,
                            const LstmWeights<S>& w, const Steps& steps, bool keep = true);

// Empty: not wanted.
template <class S>
struct LstmGradients {
  Var<S> x, h0, c0, weight_ih, weight_hh, bias, weight_hr;  // bias: of bias_ih and of bias_hh alike
};

// The gradients of the results that arrive from above; null: zero.
template <class S>
struct LstmUpstream {
  const Tensor<S>* output = nullptr;
  const Tensor<S>* h_n = nullptr;
  const Tensor<S>* c_n = nullptr;
  const Tensor<S>* cell = nullptr;
};

// Gradients of the sum of upstream * result over the four results.
template <class S>
LstmGradients<S> lstm_backward(const Tensor<S>& x, const Tensor<S>& h0, const Tensor<S>& c0,
                               const LstmWeights<S>& w, const Steps& steps, const LstmForward<S>& forward,
                               const LstmUpstream<S>& upstream, const Wanted& wanted);

}  // namespace unroll::bptt
