// The data of streams: kernels and packed weights, and the places of all values in memory. Internal.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "layers/kernels/weights.hpp"
#include "layers/stream.hpp"

namespace unroll::detail {

// Throws ShapeError, naming the parameter, unless it is a matrix with elements.
template <class S>
void check_matrix(const LayerName& layer, const std::string& name, const Var<S>& parameter);

// The place of a part of a state, (B, size), in the memory.
struct StreamPart {
  std::string name;
  std::size_t at, size;
};

// A cell's kernel and weights.
template <class S>
struct StreamKernel {
  // inputs: cell.inputs; for a single row padded to whole registers of hidden units.
  StreamKernel(const StreamCell<S>& cell, const VarList<S>& inputs, std::size_t output, std::size_t hidden,
               bool single_row);

  bptt::Kernel<S> kernel;
  bptt::PassSizes sizes;
  std::size_t output, hidden;  // P, H of the layer; sizes.hidden is the padded H
  bool single_row;
  kernel::Packed<S> input;  // W_ih^T
  bptt::LoopWeights<S> weights;

  // Scratch elements of a step of `rows`.
  std::size_t work_size(std::size_t rows) const noexcept {
    return rows * (sizes.gates + 2 * sizes.hidden + output);
  }
};

// A layer, as a kernel or as a program.
template <class S>
struct StreamLayer {
  std::size_t input, output;
  std::optional<StreamKernel<S>> kernel = std::nullopt;
  std::shared_ptr<const StreamProgram<S>> program = nullptr;
  std::vector<StreamPart> parts = {};  // of the state: h (B,P) and c (B,H) of a kernel; none of a function
};

// What the streams of one freeze() share: the weights, and the places of all values in a stream's memory.
template <class S>
struct StreamModel {
  // Of the instruction set that the weights are packed for, even if the set in use changes later.
  const kernel::Packing<S>* packing = &kernel::packing<S>();
  std::size_t batch, input, output;
  Tensor<S> embedding = empty<S>({0, 0});  // (V,E); V = 0: the input is x
  std::size_t embedded;                    // place of the rows (B,E) of a step's ids
  std::vector<StreamLayer<S>> layers;
  kernel::Packed<S> head_weight;  // W^T; empty: no head
  Buffer<S> head_bias;
  std::size_t states_size;   // the part of the memory, from 0, that is kept from step to step
  std::size_t work, result;  // places of a step's scratch elements and of the head's y
  Tensor<S> initial;         // the memory at the first step

  bool takes_ids() const noexcept { return embedding.size() > 0; }
  // Returns whether all of them are rows of the embedding.
  bool has_ids(std::span<const std::int64_t> ids) const noexcept;
};

// Returns the layers that are no functions.
template <class S>
std::vector<const StreamLayer<S>*> layers_with_states(const StreamModel<S>& model) {
  std::vector<const StreamLayer<S>*> result;
  for (const StreamLayer<S>& layer : model.layers) {
    if (!layer.parts.empty()) result.push_back(&layer);
  }
  return result;
}

// One stream's memory, and each layer's loop over one step in it, or run, prepared but for x.
template <class S>
struct StreamState {
  StreamState(std::shared_ptr<const StreamModel<S>> shared, const Tensor<S>& start);
  // Returns y (B, output), in the memory.
  const S* step(const S* x) noexcept;
  // Returns the rows (B,E) of ids (B), in the memory.
  const S* embed(const std::int64_t* ids) noexcept;

  std::shared_ptr<const StreamModel<S>> model;
  Tensor<S> memory;
  std::vector<bptt::ForwardLoop<S>> loops;                     // by layer
  std::vector<std::unique_ptr<StreamProgramRun<S>>> programs;  // by layer; null: a kernel
};

}  // namespace unroll::detail
