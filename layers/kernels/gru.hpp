// Hand-derived GRU over a sequence: forward and backpropagation through time. Derivation: layers/gru.md.
#pragma once

#include "layers/gru.hpp"
#include "layers/kernels/pass.hpp"

namespace unroll::bptt {

template <class S>
struct GruResult {
  Var<S> output;  // (T,B,H), or (N,H), as x
  Var<S> h_n;     // (B,H)
  // Kept for the way back:
  Var<S> gates;      // (N,3H) r z n after their activations
  Var<S> candidate;  // (N,H) reset after: W_hn h + b_hn; reset before: r h

  VarList<S> outputs(bool /*all_states*/) const { return {output, h_n}; }
};

// Gate order r z n. Inputs: x (T,B,I), or packed (N,I); h0 (B,H); weight_ih (3H,I), weight_hh (3H,H), bias_ih
// and bias_hh (3H).
template <class S>
class GruForward {
 public:
  using Result = GruResult<S>;
  GruForward(const GruOptions& options, const Shape& x, const VarList<S>& inputs, const BatchLayout& layout,
             bool keep);
  void run(const TimeChunk& chunk, const S* x);

  Result result;

 private:
  bool reset_after_, z_keeps_;
  std::size_t in_, hidden_;
  InputProduct<S> input_;
  kernel::Packed<S> weight_rz_, weight_n_;
  Buffer<S> bias_, bias_hn_;
};

template <class S>
class GruBackward : public BackwardPass<S, 1> {
 public:
  GruBackward(const GruOptions& options, const VarList<S>& inputs, const BatchLayout& layout,
              const GruResult<S>& result, const VarList<S>& upstream, const Needed& needed);
  void run(const TimeChunk& chunk, const S* up_output);
  void run_weights();

 private:
  bool reset_after_, z_keeps_;
  const GruResult<S>& result_;
  std::size_t hidden_;
  Buffer<S> da_hn_;  // reset after: the gradient of W_hh h + b_hh differs in its last third, by the factor r
  Buffer<S> d_reset_h_;
  kernel::Packed<S> weight_rz_, weight_n_;
};

}  // namespace unroll::bptt

template <class S>
struct unroll::detail::GruKernel {
  static constexpr const char* kOp = "gru";
  using Forward = bptt::GruForward<S>;
  using Backward = bptt::GruBackward<S>;
};
