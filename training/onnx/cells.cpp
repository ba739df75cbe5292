#include "training/onnx/cells.hpp"

#include <fmt/format.h>

#include "framework/errors.hpp"

namespace unroll::detail {
namespace {

OnnxActivation required(const std::string& name, const char* kind, const char* option, const Activation& f) {
  auto known = onnx_activation(f);
  if (!known) {
    throw ArgumentError(
        fmt::format("[export_onnx] layer '{}' ({}) option {}: expected one of the library's functions, got "
                    "'{}' (a custom one, which ONNX does not know)",
                    name, kind, option, f.name()));
  }
  return *known;
}

bool all_native(const std::vector<OnnxActivation>& functions) {
  for (const OnnxActivation& f : functions) {
    if (f.op.empty()) return false;
  }
  return true;
}

}  // namespace

OnnxCell onnx_cell(const std::string& name, const RnnOptions& options) {
  OnnxCell cell{"RNN", {{0}}, {}, {required(name, "Rnn", "activation", options.activation)}};
  cell.native = all_native(cell.functions);
  return cell;
}

// Ours i f g o (coupled: i g o) to ONNX's i o f c; peepholes ours i f o (coupled: i o) to ONNX's i o f.
OnnxCell onnx_cell(const std::string& name, const LstmOptions& options) {
  OnnxCell cell{
      "LSTM",
      options.coupled ? std::vector<OnnxRows>{{0}, {2}, {-1}, {1}}
                      : std::vector<OnnxRows>{{0}, {3}, {1}, {2}},
      options.coupled ? std::vector<OnnxRows>{{0}, {1}, {-1}} : std::vector<OnnxRows>{{0}, {2}, {1}},
      {required(name, "Lstm", "gate_activation", options.gate_activation),
       required(name, "Lstm", "activation", options.activation),
       required(name, "Lstm", "output_activation", options.output_activation)}};
  cell.attributes.emplace("input_forget", Index{options.coupled});
  cell.native = all_native(cell.functions) && options.projection == 0 && !options.layer_norm;
  return cell;
}

// Ours r z n to ONNX's z r h. ONNX's z keeps: h' = (1-z) n + z h. Where ours updates, its z is 1 minus ours,
// and 1 - sigmoid(a) = sigmoid(-a): the rows of z change sign.
OnnxCell onnx_cell(const std::string& name, const GruOptions& options) {
  const bool updates = options.update == GruUpdate::z_updates;
  OnnxCell cell{"GRU",
                {{1, updates ? -1.0 : 1.0}, {0}, {2}},
                {},
                {required(name, "Gru", "gate_activation", options.gate_activation),
                 required(name, "Gru", "activation", options.activation)}};
  cell.attributes.emplace("linear_before_reset", Index{options.reset == GruReset::after});
  const std::string& gate = cell.functions[0].op;
  cell.native = all_native(cell.functions) && (!updates || gate == "Sigmoid" || gate == "HardSigmoid");
  return cell;
}

}  // namespace unroll::detail
