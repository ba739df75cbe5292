// What the passes of all hand-derived kernels share: names for their inputs, and the products outside the
// loop over time. Internal to the kernels.
//
// A Forward pass and a Backward pass are made, run over all chunks of time in order (the way back from the
// last to the first), and then hold the results, as constants. What they are given must stay as it is
// meanwhile:
//
//   Forward(options, shape of the whole x, inputs, layout, keep)   without keep there is no way back
//   run(chunk, x)                                                   x: the whole input; the chunk's rows are
//   read result                                                          with outputs(all_states), and what
//   is kept
//
//   Backward(options, inputs, layout, result, upstream, needed)
//   run(chunk, up_output)        gradients of the states before a chunk from those after it; up_output: the
//                                gradient of the whole output, or null
//   run_input(chunk)             the chunk's rows of the gradient of x, if it is needed; after run()
//   run_weights()                the gradients of the parameters, after all chunks
//   gradients                    one for each input; what stands for one that is not needed is not to be used
#pragma once

#include <cstddef>

#include "framework/joint.hpp"
#include "layers/kernels/products.hpp"

namespace unroll::bptt {

// Where a kernel's inputs stand in their list: x, the states, the parameters as its cell lists them.
template <std::size_t kStates>
struct InputIndex {
  static constexpr std::size_t x = 0, h0 = 1, c0 = 2, weight_ih = 1 + kStates, weight_hh = 2 + kStates,
                               bias_ih = 3 + kStates, bias_hh = 4 + kStates, weight_hr = 5 + kStates;
};

// The sizes that the inputs have: I, and the rows G of all gates.
template <std::size_t kStates, class S>
std::size_t input_width(const VarList<S>& inputs) {
  return inputs[InputIndex<kStates>::weight_ih].shape(1);
}
template <std::size_t kStates, class S>
std::size_t gate_rows(const VarList<S>& inputs) {
  return inputs[InputIndex<kStates>::weight_ih].shape(0);
}

// The way back of a kernel whose pre-activations are W_ih x + .. + W_hh h + .., with their gradient da (N,G).
template <class S, std::size_t kStates>
class BackwardPass {
 public:
  VarList<S> gradients;

  void run_input(const TimeChunk& chunk) {
    if (!needed_[In::x]) return;
    if (input_.empty()) input_ = {layout_.total, inputs_[In::weight_ih].value()};
    input_.run(chunk.layout.total, da_.data() + chunk.row * gates_, gradients[In::x].raw() + chunk.row * in_);
  }

 protected:
  using In = InputIndex<kStates>;

  BackwardPass(const VarList<S>& inputs, const BatchLayout& layout, const VarList<S>& upstream,
               const Needed& needed)
      : gradients(inputs.size()),
        inputs_(inputs),
        layout_(layout),
        needed_(needed),
        in_(input_width<kStates>(inputs)),
        gates_(gate_rows<kStates>(inputs)),
        da_(layout.total * gates_) {
    if (needed[In::x]) gradients[In::x] = Var<S>::uninitialized(inputs[In::x].shape());
    // These run back through time: what arrives at the final states, or zeros.
    for (std::size_t state = 1; state <= kStates; ++state)
      gradients[state] = state_gradient(upstream[state], inputs[state].value());
  }

  // Whether the gradients of the states before this chunk are to be computed.
  bool states_needed(const TimeChunk& chunk) const {
    bool needed = !chunk.begins;
    for (std::size_t state = 1; state <= kStates; ++state) needed |= needed_[state] != 0;
    return needed;
  }
  void run_weight_ih() {
    if (needed_[In::weight_ih])
      gradients[In::weight_ih] =
          weight_gradient(layout_.total, da_.data(), gates_, inputs_[In::x].data(), in_);
  }
  // weight_hh and the biases of a kernel in which they reach all pre-activations alike. h: its values after
  // every step.
  void run_weight_hh(const S* h) {
    if (needed_[In::weight_hh]) {
      gradients[In::weight_hh] = Var<S>::uninitialized(inputs_[In::weight_hh].shape());
      recurrent_weight_gradient(layout_, da_.data(), gates_, gates_, h, inputs_[In::h0].value(),
                                gradients[In::weight_hh].raw());
    }
    run_bias();
  }
  void run_bias() {
    if (needed_[In::bias_ih] == 0 && needed_[In::bias_hh] == 0) return;
    const Var<S> bias = bias_gradient(layout_.total, da_.data(), gates_);
    if (needed_[In::bias_ih]) gradients[In::bias_ih] = bias;
    if (needed_[In::bias_hh]) gradients[In::bias_hh] = bias;
  }

  const VarList<S>& inputs_;
  const BatchLayout& layout_;
  const Needed& needed_;
  const std::size_t in_, gates_;  // I, and the rows of all gates
  Buffer<S> da_;

 private:
  InputGradient<S> input_;
};

}  // namespace unroll::bptt
