// One layer of a model as constants and a function of C. Internal.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "deploy/c_text.hpp"
#include "layers/stream/step_program.hpp"

namespace unroll::detail {

// A member of the state's struct.
struct CState {
  std::string name;
  std::vector<float> initial;
};

struct CLayer {
  std::size_t inputs = 0, outputs = 0;
  std::vector<CState> states = {};
  std::string constants = {};
  bool uses_state = false;
  std::string function = {};  // @_l0(s, x, y); without s, if it does not use the state
};

// index: the layer's number in the model, "l0". Throws ArgumentError for an op that C has no code for.
template <class S>
CLayer c_layer(const LayerName& model, const StepProgram<S>& step, std::size_t index, CParts& parts);
// The same of y = W x + b; bias may be undefined.
template <class S>
CLayer c_linear(const Var<S>& weight, const Var<S>& bias, std::size_t index, CParts& parts);

template <class S>
std::vector<float> as_floats(const Var<S>& var) {
  const S* const data = var.data();
  std::vector<float> result(var.size());
  for (std::size_t i = 0; i < result.size(); ++i) result[i] = static_cast<float>(data[i]);
  return result;
}

}  // namespace unroll::detail
