// Hand-derived Elman RNN over a sequence: forward and backpropagation through time. Derivation:
// layers/rnn.md.
#pragma once

#include "layers/kernels/pass.hpp"
#include "layers/rnn.hpp"

namespace unroll::bptt {

template <class S>
struct RnnResult {
  Var<S> output;  // (T,B,H), or (N,H), as x; all that the way back needs
  Var<S> h_n;     // (B,H)

  VarList<S> outputs(bool /*all_states*/) const { return {output, h_n}; }
};

// h' = f(W_ih x + b_ih + W_hh h + b_hh), f = relu or tanh. Inputs: x (T,B,I), or packed (N,I); h0 (B,H);
// weight_ih (H,I), weight_hh (H,H), bias_ih and bias_hh (H).
template <class S>
class RnnForward {
 public:
  using Result = RnnResult<S>;
  RnnForward(const RnnOptions& options, const Shape& x, const VarList<S>& inputs, const BatchLayout& layout,
             bool keep);
  void run(const TimeChunk& chunk, const S* x);

  Result result;

 private:
  bool relu_;
  std::size_t in_, hidden_;
  InputProduct<S> input_;
  kernel::Packed<S> recurrent_;
  Buffer<S> bias_;
};

template <class S>
class RnnBackward : public BackwardPass<S, 1> {
 public:
  RnnBackward(const RnnOptions& options, const VarList<S>& inputs, const BatchLayout& layout,
              const RnnResult<S>& result, const VarList<S>& upstream, const Needed& needed);
  void run(const TimeChunk& chunk, const S* up_output);
  void run_weights();

 private:
  bool relu_;
  const RnnResult<S>& result_;
  kernel::Packed<S> recurrent_;
};

}  // namespace unroll::bptt

template <class S>
struct unroll::detail::RnnKernel {
  static constexpr const char* kOp = "rnn";
  using Forward = bptt::RnnForward<S>;
  using Backward = bptt::RnnBackward<S>;
};
