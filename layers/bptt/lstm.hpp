// Hand-derived LSTM over a sequence: forward and backpropagation through time, the results constants.
// Derivation: layers/lstm.md.
#pragma once

#include "layers/bptt/products.hpp"
#include "layers/bptt/stretch.hpp"
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

// The same, stretch by stretch. What the constructors are given must stay as it is.
template <class S>
class LstmForwardPass {
 public:
  // x: the shape of the whole input.
  LstmForwardPass(const Shape& x, const Tensor<S>& h0, const Tensor<S>& c0, const LstmWeights<S>& w,
                  const Steps& steps, bool keep);
  // In the order of running; x: the whole input, of which the stretch's rows are read.
  void run(const Stretch& stretch, const S* x);

  LstmForward<S> result;  // complete after the last stretch

 private:
  std::size_t in_, out_, hidden_;
  bool alone_, input_inside_;
  InputProduct<S> input_;
  kernel::Packed<S> input_columns_, recurrent_, projection_;
  Buffer<S> bias_;
};

template <class S>
class LstmBackwardPass {
 public:
  LstmBackwardPass(const Shape& x, const Tensor<S>& h0, const Tensor<S>& c0, const LstmWeights<S>& w,
                   const Steps& steps, const LstmForward<S>& forward, const LstmUpstream<S>& upstream,
                   const Wanted& wanted);
  // The gradients of the states before a stretch from those after it; up_output: of all the sequence, or
  // null.
  void run(const Stretch& stretch, const S* up_output);
  // The rows of the gradient of x, if it is wanted; after run().
  void run_input(const Stretch& stretch);
  // The gradients of the weights, after all stretches; x: the whole input.
  void run_weights(const S* x);

  LstmGradients<S> result;

 private:
  const Tensor<S>&h0_, &c0_;
  LstmWeights<S> w_;
  const Steps& steps_;
  const LstmForward<S>& f_;
  const Tensor<S>* up_cell_;
  Wanted wanted_;
  Buffer<S> da_, dh_steps_, d_hidden_;
  kernel::Packed<S> recurrent_, projection_;
  InputGradient<S> input_;
};

}  // namespace unroll::bptt
