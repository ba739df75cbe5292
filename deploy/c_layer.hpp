// One layer of a model as constants and a function of C. Internal.
#pragma once

#include <cmath>
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
  std::size_t scratch = 0;        // floats of its arrays
  std::string output_names = {};  // "pitch[2], loudness[5]", of several
  bool uses_state = false;
  std::string function = {};  // @_l0(s, x, y); without s, if it does not use the state
};

// Whether bytes can stand for a parameter: it is only multiplied by, and not transposed once and once not.
template <class S>
bool is_read_by_products_alone(const Program<S>& program, int external);

// index: the layer's number in the model, "l0". Throws ArgumentError for an op that C has no code for.
template <class S>
CLayer c_layer(const LayerName& model, const StepProgram<S>& step, std::size_t index, CParts& parts);
// The same of y = W x + b; bias may be undefined.
template <class S>
CLayer c_linear(const Var<S>& weight, const Var<S>& bias, std::size_t index, CParts& parts);

// Returns value as a float. Throws ArgumentError, with the name, if it is too large for one.
template <class S>
float as_float(const std::string& name, S value) {
  const auto result = static_cast<float>(value);
  if (std::isinf(result) && !std::isinf(value)) throw_too_large(name, static_cast<double>(value));
  return result;
}
template <class S>
std::vector<float> as_floats(const std::string& name, const Var<S>& var) {
  const S* const data = var.data();
  std::vector<float> result(var.size());
  for (std::size_t i = 0; i < result.size(); ++i) result[i] = as_float(name, data[i]);
  return result;
}

}  // namespace unroll::detail
