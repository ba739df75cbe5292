// Forward and Backward: one cell in one direction over a sequence by its hand-derived kernel, in chunks of
// time.
//
// Inputs are one list: x (T,B,I), or packed (N,I); h0 (B,P), with a c also c0 (B,H); the parameters of
// unit.hpp in the order weight_ih, weight_hh, bias_ih, bias_hh, weight_hr; absent ones are undefined, or left
// out at the end. Inputs must not change during a pass.
#pragma once

#include <cstddef>

#include "framework/multi_output.hpp"
#include "layers/kernels/products.hpp"
#include "layers/kernels/weights.hpp"
#include "layers/recurrent/kernel.hpp"

namespace unroll::bptt {

// Constants, without a tape.
template <class S>
struct PassResult {
  Var<S> output;  // (T,B,P), or (N,P), like x: h of every active step
  Var<S> h_n;     // (B,P) after each sequence's last step
  Var<S> c_n;     // (B,H)
  Var<S> cell;    // (T,B,H), or (N,H), like x: c of every active step; empty without keep
  // Kept for the backward pass:
  Var<S> gates;        // (N,GH) after their activations
  Var<S> candidate;    // (N,H) of a candidate with its own product
  Var<S> tanh_cell;    // (N,H); empty: too many to keep
  Var<S> unprojected;  // (N,H) h before the projection

  VarList<S> outputs(bool all_states) const {
    if (!c_n.defined()) return {output, h_n};
    return all_states ? VarList<S>{output, h_n, c_n, cell} : VarList<S>{output, h_n, c_n};
  }
};

// Usage: construct, run all chunks in their order, then read the result.
template <class S>
class Forward {
 public:
  // x: the shape of the whole input. keep: stores what the backward pass needs. result: allocated here,
  // filled by run().
  Forward(const Kernel<S>& kernel, const Shape& x, const VarList<S>& inputs, const BatchLayout& layout,
          bool keep, PassResult<S>& result);
  // x: the whole input, (N,I); reads the chunk's rows.
  void run(const TimeChunk& chunk, const S* x);

 private:
  const Kernel<S> kernel_;
  const PassSizes sizes_;
  PassResult<S>& result_;
  const bool keep_, single_row_, input_inside_;
  InputProduct<S> input_;
  kernel::Packed<S> input_columns_;
  LoopWeights<S> weights_;
};

// Usage: run the chunks from the last to the first.
template <class S>
class Backward {
 public:
  // upstream: the gradients of outputs(); empty for zeros.
  Backward(const Kernel<S>& kernel, const VarList<S>& inputs, const BatchLayout& layout,
           const PassResult<S>& result, const VarList<S>& upstream, const NeedsGrad& needs_grad);
  // Computes the gradients of the states before a chunk from those after it. up_output: the gradient of the
  // whole output, or null.
  void run(const TimeChunk& chunk, const S* up_output);
  // Computes the chunk's rows of the gradient of x, if it is needed; after run().
  void run_input(const TimeChunk& chunk);
  // Computes the gradients of the parameters, after all chunks.
  void run_weights();

  VarList<S> gradients;  // one for each input; undefined contents where none is needed

 private:
  // Returns whether the gradients of the states before this chunk are needed.
  bool states_needed(const TimeChunk& chunk) const;
  bool has_own_candidate() const noexcept { return sizes_.direct < sizes_.gates; }
  void run_weight_hh();
  void run_biases();

  const Kernel<S> kernel_;
  const PassSizes sizes_;
  const VarList<S>& inputs_;
  const BatchLayout& layout_;
  const PassResult<S>& result_;
  const NeedsGrad& needs_grad_;
  const S* up_cell_;  // the gradient of all c, or null
  InputGradient<S> input_;
  kernel::Packed<S> recurrent_, candidate_weight_, projection_;
  Buffer<S> da_;                   // (N,GH) of the pre-activations
  Buffer<S> d_candidate_;          // apart: (N,H) of W_hn h + b_hn; reads: (B,H) scratch
  Buffer<S> dh_steps_, d_hidden_;  // with a projection
};

extern template class Forward<float>;
extern template class Forward<double>;
extern template class Backward<float>;
extern template class Backward<double>;

}  // namespace unroll::bptt
