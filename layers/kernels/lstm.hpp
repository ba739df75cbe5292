// Hand-derived LSTM over a sequence: forward and backpropagation through time. Derivation: layers/lstm.md.
#pragma once

#include "layers/kernels/pass.hpp"
#include "layers/lstm.hpp"

namespace unroll::bptt {

template <class S>
struct LstmResult {
  Var<S> output;  // (T,B,P), or (N,P), as x: h of every alive step
  Var<S> h_n;     // (B,P) after each sequence's own last step
  Var<S> c_n;     // (B,H)
  Var<S> cell;    // (T,B,H), or (N,H), as x: c of every alive step; without keep empty
  // Kept for the way back:
  Var<S> gates;        // (N,4H) i f g o after their activations
  Var<S> tanh_cell;    // (N,H); empty: too many to keep
  Var<S> unprojected;  // (N,H) o tanh(c), only with a projection

  VarList<S> outputs(bool all_states) const {
    return all_states ? VarList<S>{output, h_n, c_n, cell} : VarList<S>{output, h_n, c_n};
  }
};

// Gate order i f g o; P = H unless there is a projection. Inputs: x (T,B,I), or packed (N,I); h0 (B,P), c0
// (B,H); weight_ih (4H,I), weight_hh (4H,P), bias_ih and bias_hh (4H), weight_hr (P,H) or none.
template <class S>
class LstmForward {
 public:
  using Result = LstmResult<S>;
  LstmForward(const LstmOptions& options, const Shape& x, const VarList<S>& inputs, const BatchLayout& layout,
              bool keep);
  void run(const TimeChunk& chunk, const S* x);

  Result result;

 private:
  std::size_t in_, out_, hidden_;
  bool alone_, input_inside_;
  InputProduct<S> input_;
  kernel::Packed<S> input_columns_, recurrent_, projection_;
  Buffer<S> bias_;
};

template <class S>
class LstmBackward : public BackwardPass<S, 2> {
 public:
  LstmBackward(const LstmOptions& options, const VarList<S>& inputs, const BatchLayout& layout,
               const LstmResult<S>& result, const VarList<S>& upstream, const Needed& needed);
  void run(const TimeChunk& chunk, const S* up_output);
  void run_weights();

 private:
  const LstmResult<S>& result_;
  const S* up_cell_;  // the gradient of all c, or null
  std::size_t out_, hidden_;
  Buffer<S> dh_steps_, d_hidden_;
  kernel::Packed<S> recurrent_, projection_;
};

}  // namespace unroll::bptt

template <class S>
struct unroll::detail::LstmKernel {
  static constexpr const char* kOp = "lstm";
  using Forward = bptt::LstmForward<S>;
  using Backward = bptt::LstmBackward<S>;
};
