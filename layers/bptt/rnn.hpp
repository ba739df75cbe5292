// Hand-derived Elman RNN over a sequence: forward and backpropagation through time, on plain tensors.
// Derivation: layers/rnn.md.
#pragma once

#include "layers/bptt/steps.hpp"

namespace unroll::bptt {

// Null: absent.
template <class S>
struct RnnWeights {
  const Tensor<S>* weight_ih = nullptr;  // (H,I)
  const Tensor<S>* weight_hh = nullptr;  // (H,H)
  const Tensor<S>* bias_ih = nullptr;    // (H)
  const Tensor<S>* bias_hh = nullptr;    // (H)
};

template <class S>
struct RnnForward {
  Tensor<S> output;  // (N,H); all that the way back needs
  Tensor<S> h_n;     // (B,H)
};

// h' = f(W_ih x + b_ih + W_hh h + b_hh), f = relu or tanh. x: N rows of I. h0 (B,H).
template <class S>
RnnForward<S> rnn_forward(const Tensor<S>& x, const Tensor<S>& h0, const RnnWeights<S>& w, bool relu,
                          const Steps& steps);

template <class S>
struct RnnGradients {
  Tensor<S> x, h0, weight_ih, weight_hh, bias;  // bias: of bias_ih and of bias_hh alike
};

// Gradients of sum(d_output * output) + sum(d_h_n * h_n); a null upstream is zero. needs_x false leaves x
// empty.
template <class S>
RnnGradients<S> rnn_backward(const Tensor<S>& x, const Tensor<S>& h0, const RnnWeights<S>& w, bool relu,
                             const Steps& steps, const RnnForward<S>& forward, const Tensor<S>* d_output,
                             const Tensor<S>* d_h_n, bool needs_x = true);

}  // namespace unroll::bptt
