// Which of ONNX's functions an Activation is.
#pragma once

#include <optional>
#include <string>

#include "layers/activation.hpp"
#include "training/onnx/graph.hpp"

namespace unroll::detail {

struct OnnxActivation {
  const Activation* function;
  std::string op;               // as the recurrent operators call it; empty: they have not got it
  std::vector<double> alpha{};  // its constants, where it has any
  std::vector<double> beta{};
};

// One of the library's functions; none for one of a user's own. leaky_relu and elu are known by their name
// and by what they compute.
std::optional<OnnxActivation> onnx_activation(const Activation& f);

// f(x), whether the recurrent operators have it or not.
OnnxValue apply_onnx(const OnnxActivation& f, const OnnxValue& x);

}  // namespace unroll::detail
