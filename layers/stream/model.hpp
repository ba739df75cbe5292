// What a stream runs: the weights in the kernels' layout and the places of everything in its memory.
// Internal.
#pragma once

#include <vector>

#include "layers/stream.hpp"
#include "layers/stream/kernel.hpp"

namespace unroll::detail {

// A linear map or a layer's gates. weight and bias as layers/stream/kernel.hpp says.
template <class S>
struct StreamMap {
  std::size_t size = 0, blocks = 0;  // size: of a row of the result
  Tensor<S> weight, bias;
};

// Where a part of a state, (B, size), lies in the memory: its rows are width apart.
struct StreamPart {
  const char* name;
  std::size_t at, size, width;
};

template <class S>
struct StreamLayer {
  // Those that the weights are laid out for, also if the instruction set is changed later.
  const stream::Kernels<S>* kernels = &stream::kernels<S>();
  StreamKind kind;
  bool z_keeps;
  std::size_t input, output;
  StreamMap<S> gates;
  StreamMap<S> second;  // LSTM: the projection, size 0 without one; GRU, reset before: W_hn
  std::size_t h, c;     // places of h (B, output) and of an LSTM's c (B, blocks, lanes) in the memory

  std::size_t parts() const noexcept { return kind == StreamKind::lstm ? 2 : 1; }
  StreamPart part(std::size_t k) const noexcept;
};

template <class S>
struct StreamModel {
  const stream::Kernels<S>* kernels = &stream::kernels<S>();
  std::size_t batch, input, output;
  std::vector<StreamLayer<S>> layers;
  StreamMap<S> head;            // size 0: none
  std::size_t states_size;      // the part of the memory, from 0, that is carried on from step to step
  std::size_t work, work_size;  // four areas of work_size for what a step makes on its way
  std::size_t result;           // y of the head
  Tensor<S> initial;            // the memory of a stream that begins

  // y (B, output), which lies in the memory.
  const S* step(const S* x, S* memory) const noexcept;
};

}  // namespace unroll::detail
