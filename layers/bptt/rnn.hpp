// Hand-derived Elman RNN over a sequence: forward and backpropagation through time, the results constants.
// Derivation: layers/rnn.md.
#pragma once

#include "layers/bptt/products.hpp"
#include "layers/bptt/stretch.hpp"
#include "layers/bptt/wanted.hpp"

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
  Var<S> output;  // (T,B,H), or (N,H), as x; all that the way back needs
  Var<S> h_n;     // (B,H)
};

// h' = f(W_ih x + b_ih + W_hh h + b_hh), f = relu or tanh. x (T,B,I), or packed (N,I). h0 (B,H).
template <class S>
RnnForward<S> rnn_forward(const Tensor<S>& x, const Tensor<S>& h0, const RnnWeights<S>& w, bool relu,
                          const Steps& steps);

// Empty: not wanted.
template <class S>
struct RnnGradients {
  Var<S> x, h0, weight_ih, weight_hh, bias;  // bias: of bias_ih and of bias_hh alike
};

// The gradients of the results that arrive from above; null: zero.
template <class S>
struct RnnUpstream {
  const Tensor<S>* output = nullptr;
  const Tensor<S>* h_n = nullptr;
};

// Gradients of sum(upstream.output * output) + sum(upstream.h_n * h_n). `output` is forward.output.
template <class S>
RnnGradients<S> rnn_backward(const Tensor<S>& x, const Tensor<S>& h0, const RnnWeights<S>& w, bool relu,
                             const Steps& steps, const Tensor<S>& output, const RnnUpstream<S>& upstream,
                             const Wanted& wanted);

// The same, stretch by stretch. What the constructors are given must stay as it is.
template <class S>
class RnnForwardPass {
 public:
  // x: the shape of the whole input.
  RnnForwardPass(const Shape& x, const Tensor<S>& h0, const RnnWeights<S>& w, bool relu, const Steps& steps);
  // In the order of running; x: the whole input, of which the stretch's rows are read.
  void run(const Stretch& stretch, const S* x);

  RnnForward<S> result;  // complete after the last stretch

 private:
  std::size_t in_, hidden_;
  bool relu_;
  InputProduct<S> input_;
  kernel::Packed<S> recurrent_;
  Buffer<S> bias_;
};

template <class S>
class RnnBackwardPass {
 public:
  RnnBackwardPass(const Shape& x, const Tensor<S>& h0, const RnnWeights<S>& w, bool relu, const Steps& steps,
                  const Tensor<S>& output, const RnnUpstream<S>& upstream, const Wanted& wanted);
  // The gradients of the states before a stretch from those after it; up_output: of all the sequence, or
  // null.
  void run(const Stretch& stretch, const S* up_output);
  // The rows of the gradient of x, if it is wanted; after run().
  void run_input(const Stretch& stretch);
  // The gradients of the weights, after all stretches; x: the whole input.
  void run_weights(const S* x);

  RnnGradients<S> result;

 private:
  const Tensor<S>& h0_;
  RnnWeights<S> w_;
  bool relu_;
  const Steps& steps_;
  const Tensor<S>& output_;
  Wanted wanted_;
  Buffer<S> da_;
  kernel::Packed<S> recurrent_;
  InputGradient<S> input_;
};

}  // namespace unroll::bptt
