// Hand-derived GRU over a sequence: forward and backpropagation through time, the results constants.
// Derivation: layers/gru.md.
#pragma once

#include "layers/bptt/products.hpp"
#include "layers/bptt/stretch.hpp"
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

// The same, stretch by stretch. What the constructors are given must stay as it is.
template <class S>
class GruForwardPass {
 public:
  // x: the shape of the whole input.
  GruForwardPass(const Shape& x, const Tensor<S>& h0, const GruWeights<S>& w, GruVariant variant,
                 const Steps& steps);
  // In the order of running; x: the whole input, of which the stretch's rows are read.
  void run(const Stretch& stretch, const S* x);

  GruForward<S> result;  // complete after the last stretch

 private:
  std::size_t in_, hidden_;
  GruVariant variant_;
  InputProduct<S> input_;
  kernel::Packed<S> weight_rz_, weight_n_;
  Buffer<S> bias_, bias_hn_;
};

template <class S>
class GruBackwardPass {
 public:
  GruBackwardPass(const Shape& x, const Tensor<S>& h0, const GruWeights<S>& w, GruVariant variant,
                  const Steps& steps, const GruForward<S>& forward, const GruUpstream<S>& upstream,
                  const Wanted& wanted);
  // The gradients of the states before a stretch from those after it; up_output: of all the sequence, or
  // null.
  void run(const Stretch& stretch, const S* up_output);
  // The rows of the gradient of x, if it is wanted; after run().
  void run_input(const Stretch& stretch);
  // The gradients of the weights, after all stretches; x: the whole input.
  void run_weights(const S* x);

  GruGradients<S> result;

 private:
  const Tensor<S>& h0_;
  GruWeights<S> w_;
  GruVariant variant_;
  const Steps& steps_;
  const GruForward<S>& f_;
  Wanted wanted_;
  Buffer<S> da_;     // gradient of W_ih x + b_ih
  Buffer<S> da_hn_;  // reset after: that of W_hh h + b_hh differs in its last third, by the factor r
  Buffer<S> d_reset_h_;
  kernel::Packed<S> weight_rz_, weight_n_;
  InputGradient<S> input_;
};

}  // namespace unroll::bptt
