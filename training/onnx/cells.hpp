// Cells and activations in the terms of ONNX's recurrent operators. For .cpp files of this folder.
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
#include "training/onnx/recurrent.hpp"

namespace unroll::detail {

struct OnnxActivation {
  const Activation* function;
  std::string op;               // its name in the recurrent operators; empty: they do not have it
  std::vector<double> alpha{};  // its constants, where it has any
  std::vector<double> beta{};
};

// None for a custom function. leaky_relu and elu are recognised by their name and by what they compute.
std::optional<OnnxActivation> onnx_activation(const Activation& f);

// f(x), whether the recurrent operators have it or not.
OnnxValue apply_onnx(const OnnxActivation& f, const OnnxValue& x);

// A block of H rows in one of ONNX's stacked tensors: the index of our block, or -1 for zeros, and a factor.
struct OnnxRows {
  int block;
  double factor = 1.0;
};

struct OnnxCell {
  const char* op;  // "LSTM"
  std::vector<OnnxRows> rows, peephole_rows;
  std::vector<OnnxActivation> functions;  // in the operator's order
  std::map<std::string, OnnxAttribute> attributes = {};
  bool native = true;  // false: an option is not the operator's
};

// name: the layer's. Throw ArgumentError for a custom activation.
OnnxCell onnx_cell(const std::string& name, const RnnOptions& options);
OnnxCell onnx_cell(const std::string& name, const LstmOptions& options);
OnnxCell onnx_cell(const std::string& name, const GruOptions& options);

// One layer in one direction as a Scan over the steps (scan.cpp): x (T,B,I), alive (T,B,1) or undefined, the
// initial state (B,H).
template <class Cell>
OnnxRecurrentOutput scan_onnx(const std::string& name, const std::string& suffix, const Cell& cell,
                              const RecurrentOptions& options, const OnnxValue& x, const OnnxValue& alive,
                              const OnnxState& initial, bool backward);

}  // namespace unroll::detail

// The cells that export knows, for explicit instantiations: f(Cell) for each.
#define UNROLL_FOR_ONNX_CELLS(f)                                                                \
  f(RnnCell<float>) f(RnnCell<double>) f(LstmCell<float>) f(LstmCell<double>) f(GruCell<float>) \
      f(GruCell<double>)
