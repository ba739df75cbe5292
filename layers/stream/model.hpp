// The data of streams: kernels and packed weights, and the places of all values in memory. Internal.
#pragma once

#include <vector>

#include "layers/kernels/weights.hpp"
#include "layers/stream.hpp"

namespace unroll::detail {

// Throws ShapeError, naming the parameter, unless it is a matrix with elements.
template <class S>
void check_matrix(const LayerName& layer, const std::string& name, const Var<S>& parameter);

// The place of a part of a state, (B, size), in the memory.
struct StreamPart {
  const char* name;
  std::size_t at, size;
};

template <class S>
struct StreamLayer {
  // inputs: cell.inputs; for a single row padded to whole registers of hidden units.
  StreamLayer(const StreamCell<S>& cell, const VarList<S>& inputs, std::size_t output, std::size_t hidden,
              bool single_row);

  bptt::Kernel<S> kernel;
  bptt::PassSizes sizes;
  std::size_t output, hidden;  // P, H of the layer; sizes.hidden is the padded H
  bool single_row;
  kernel::Packed<S> input;  // W_ih^T
  bptt::LoopWeights<S> weights;
  std::size_t h = 0, c = 0;  // places of h (B,P) and c (B,H) in the memory

  std::size_t parts() const noexcept { return sizes.states; }
  StreamPart part(std::size_t k) const noexcept {
    return k == 0 ? StreamPart{"h", h, output} : StreamPart{"c", c, hidden};
  }
  // Scratch elements of a step of `rows`.
  std::size_t work_size(std::size_t rows) const noexcept {
    return rows * (sizes.gates + 2 * sizes.hidden + output);
  }
};

// What the streams of one freeze() share: the weights, and the places of all values in a stream's memory.
template <class S>
struct StreamModel {
  // Of the instruction set that the weights are packed for, even if the set in use changes later.
  const kernel::Packing<S>* packing = &kernel::packing<S>();
  std::size_t batch, input, output;
  std::vector<StreamLayer<S>> layers;
  kernel::Packed<S> head_weight;  // W^T; empty: no head
  Buffer<S> head_bias;
  std::size_t states_size;   // the part of the memory, from 0, that is kept from step to step
  std::size_t work, result;  // places of a step's scratch elements and of the head's y
  Tensor<S> initial;         // the memory at the first step
};

// One stream's memory, and each layer's loop over one step in it, prepared but for x.
template <class S>
struct StreamState {
  StreamState(std::shared_ptr<const StreamModel<S>> shared, const Tensor<S>& start);
  // Returns y (B, output), in the memory.
  const S* step(const S* x) noexcept;

  std::shared_ptr<const StreamModel<S>> model;
  Tensor<S> memory;
  std::vector<bptt::ForwardLoop<S>> loops;
};

}  // namespace unroll::detail
