// Checks of saved models before they are built.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "framework/tensor.hpp"
#include "layers/gru.hpp"
#include "layers/lstm.hpp"
#include "layers/rnn.hpp"

namespace unroll::examples {

// Blocks of rows in a layer's weights.
template <class Layer>
inline constexpr Index kGates = 1;
template <>
inline constexpr Index kGates<Lstm<float>> = 4;
template <>
inline constexpr Index kGates<Gru<float>> = 3;

struct WantedTensor {
  std::string name;
  std::vector<Index> shape;
};

// Throws FileError unless the file has these tensors in these shapes: a model is built with the sizes of its
// metadata, which may be wrong.
void require_tensors(const std::string& file, const std::vector<WantedTensor>& wanted);

// Returns the tensors of the model's first layer of this name, with this many inputs.
template <class Layer>
std::vector<WantedTensor> layer_tensors(const std::string& name, Index inputs, Index hidden) {
  return {{name + ".weight_ih_l0", {kGates<Layer> * hidden, inputs}},
          {name + ".weight_hh_l0", {kGates<Layer> * hidden, hidden}}};
}

}  // namespace unroll::examples
