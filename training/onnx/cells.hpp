// Cells and activations in the terms of ONNX's recurrent operators. For files of this folder.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "layers/activation.hpp"
#include "layers/gru.hpp"
#include "layers/lstm.hpp"
#include "layers/rnn.hpp"
#include "training/onnx/graph.hpp"

namespace unroll::detail {

// One of the functions that the recurrent operators have.
struct OnnxActivation {
  std::string op;
  std::vector<double> alpha{};  // its constants, where it has any
  std::vector<double> beta{};
};

// Recognised by what the function computes; none if the operators do not have it.
std::optional<OnnxActivation> onnx_activation(const Activation& f);

// A block of H rows in one of ONNX's stacked tensors: the index of our block, or -1 for zeros, and a factor.
struct OnnxRows {
  int block;
  double factor = 1.0;
};

struct OnnxOperator {
  const char* op;  // "LSTM"
  std::vector<OnnxRows> rows, peephole_rows;
  std::vector<OnnxActivation> functions;  // in the operator's order
  std::map<std::string, OnnxAttribute> attributes = {};
};

// None if an option is not the operator's.
std::optional<OnnxOperator> onnx_operator(const RnnOptions& options);
std::optional<OnnxOperator> onnx_operator(const LstmOptions& options);
std::optional<OnnxOperator> onnx_operator(const GruOptions& options);

}  // namespace unroll::detail
