// What a stream runs: its layers' kernels and packed weights, and the places of everything in its memory.
// Internal.
#pragma once

#include <vector>

#include "layers/kernels/weights.hpp"
#include "layers/stream.hpp"

namespace unroll::detail {

// Where a part of a state, (B, size), lies in the memory.
struct StreamPart {
  const char* name;
  std::size_t at, size;
};

template <class S>
struct StreamLayer {
  // inputs: cell.inputs, of a single row filled up to whole registers of hidden units.
  StreamLayer(const StreamCell<S>& cell, const VarList<S>& inputs, std::size_t output, std::size_t hidden,
              bool single_row);

  bptt::Kernel<S> kernel;
  bptt::PassSizes sizes;
  std::size_t output, hidden;  // P, H of the layer; of a single row sizes.hidden may be more
  bool single_row;
  kernel::Packed<S> input;  // W_ih^T
  bptt::LoopWeights<S> weights;
  std::size_t h = 0, c = 0;  // places of h (B,P) and c (B,H) in the memory

  std::size_t parts() const noexcept { return sizes.states; }
  StreamPart part(std::size_t k) const noexcept {
    return k == 0 ? StreamPart{"h", h, output} : StreamPart{"c", c, hidden};
  }
  // Elements that a step of `rows` makes on its way.
  std::size_t work_size(std::size_t rows) const noexcept {
    return rows * (sizes.gates + 2 * sizes.hidden + output);
  }
};

// What streams share: weights, and where everything lies in a stream's memory.
template <class S>
struct StreamModel {
  // Of the instruction set that the weights are laid out for, also if it is changed later.
  const kernel::Packing<S>* packing = &kernel::packing<S>();
  std::size_t batch, input, output;
  std::vector<StreamLayer<S>> layers;
  kernel::Packed<S> head_weight;  // W^T; empty: no head
  Buffer<S> head_bias;
  std::size_t states_size;   // the part of the memory, from 0, that is carried on from step to step
  std::size_t work, result;  // places of what a step makes on its way, and of the head's y
  Tensor<S> initial;         // the memory of a stream that begins
};

// A stream's own memory, and each layer's loop over one step in it, ready but for x.
template <class S>
struct StreamState {
  StreamState(const StreamModel<S>& model, const Tensor<S>& start);
  // y (B, output), which lies in the memory.
  const S* step(const StreamModel<S>& model, const S* x) noexcept;

  Tensor<S> memory;
  std::vector<bptt::ForwardLoop<S>> loops;
};

}  // namespace unroll::detail
