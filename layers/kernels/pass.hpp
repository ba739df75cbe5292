// Forward and Backward: one cell in one direction over a sequence by its hand-derived kernel, chunk by chunk
// of time.
//
// Inputs are one list: x (T,B,I), or packed (N,I); h0 (B,P), with a c also c0 (B,H); the parameters of
// unit.hpp in the order weight_ih, weight_hh, bias_ih, bias_hh, weight_hr, absent ones undefined or left out
// at the end. What a pass is given must stay as it is meanwhile.
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
  Var<S> output;  // (T,B,P), or (N,P), as x: h of every alive step
  Var<S> h_n;     // (B,P) after each sequence's own last step
  Var<S> c_n;     // (B,H)
  Var<S> cell;    // (T,B,H), or (N,H), as x: c of every alive step; without keep empty
  // Kept for the backward pass:
  Var<S> gates;        // (N,GH) after their activations
  Var<S> candidate;    // (N,H) of a candidate with a product of its own
  Var<S> tanh_cell;    // (N,H); empty: too many to keep
  Var<S> unprojected;  // (N,H) h before the projection

  VarList<S> outputs(bool all_states) const {
    if (!c_n.defined()) return {output, h_n};
    return all_states ? VarList<S>{output, h_n, c_n, cell} : VarList<S>{output, h_n, c_n};
  }
};

// Made, run over all chunks in the order in which they run, then read.
template <class S>
class Forward {
 public:
  // x: the shape of the whole input. Without keep there is no backward pass. result: made here, filled by
  // run().
  Forward(const Kernel<S>& kernel, const Shape& x, const VarList<S>& inputs, const BatchLayout& layout,
          bool keep, PassResult<S>& result);
  // x: the whole input, (N,I), of which the chunk's rows are read.
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

// Run over the chunks from the last to the first.
template <class S>
class Backward {
 public:
  // upstream: the gradients of outputs(), empty ones for zeros.
  Backward(const Kernel<S>& kernel, const VarList<S>& inputs, const BatchLayout& layout,
           const PassResult<S>& result, const VarList<S>& upstream, const NeedsGrad& needs_grad);
  // Gradients of the states before a chunk from those after it. up_output: the gradient of the whole output,
  // or null.
  void run(const TimeChunk& chunk, const S* up_output);
  // The chunk's rows of the gradient of x, if it is needed; after run().
  void run_input(const TimeChunk& chunk);
  // The gradients of the parameters, after all chunks.
  void run_weights();

  VarList<S> gradients;  // one for each input; what stands for one that is not needed is not to be used

 private:
  // Whether the gradients of the states before this chunk are to be computed.
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
