// Hand-derived GRU over a sequence: forward and backpropagation through time, the results constants.
// Derivation: layers/gru.md.
#pragma once

#include "framework/var.hpp"
#include "layers/bptt/steps.hpp"
#include "layers/bptt/wanted.hpp"

namespace unroll::bptt {

// The two choices in which published GRUs differ.
struct GruVariant {
  bool reset_after =
      true;  // n = tanh(.. + r (W_hn h + b_hn)) (cuDNN, PyTorch); else W_hn (r h) (Cho et al. 2014)
  bool z_keeps = true;  // h' = z h + (1-z) n; else h' = (1-z) h + z n (Chung et al. 2014)
};

// Gate order r z n. Null: absent.
template <class S>
struct GruWeights {
  const Tensor<S>* weight_ih = nullptr;  // (3H,I)
  const Tensor<S>* weight_hh = nullptr;  // (3H,H)
  const Tensor<S>* bias_ih = nullptr;    // (3H)
  const Tensor<S>* bias_hh = nullptr;    // (3H)
};

template <class S>
struct GruForward {
  Var<S> output;  // (T,B,H), or (N,H), as x
  Var<S> h_n;     // (B,H)
  // Kept for the way back:
  Var<S> gates;      // (N,3H) r z n after their activations
  Var<S> candidate;  // (N,H) reset after: W_hn h + b_hn; reset before: r h
};

// x (T,B,I), or packed (N,I). h0 (B,H).
template <class S>
GruForward<S> gru_forward(const Tensor<S>& x, const Tensor<S>& h0, const GruWeights<S>& w, GruVariant variant,
                          const Steps& steps);

// Empty: not wanted.
template <class S>
struct GruGradients {
  Var<S> x, h0, weight_ih, weight_hh, bias_ih, bias_hh;
};

// The gradients of the results that arrive from above; null: zero.
template <class S>
struct GruUpstream {
  const Tensor<S>* output = nullptr;
  const Tensor<S>* h_n = nullptr;
};

// Gradients of sum(upstream.output * output) + sum(upstream.h_n * h_n).
template <class S>
GruGradients<S> gru_backward(const Tensor<S>& x, const Tensor<S>& h0, const GruWeights<S>& w,
                             GruVariant variant, const Steps& steps, const GruForward<S>& forward,
                             const GruUpstream<S>& upstream, const Wanted& wanted);

}  // namespace unroll::bptt
