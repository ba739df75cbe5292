#include "training/onnx/cells.hpp"

#include <fmt/format.h>

#include <cmath>

#include "framework/errors.hpp"
#include "framework/number_text.hpp"
#include "training/onnx/ops.hpp"

namespace unroll::detail {
namespace {

// The number in "elu(0.5)", if the name is of that form.
std::optional<double> argument(const std::string& name, const std::string& function) {
  if (!name.starts_with(function + "(") || !name.ends_with(")")) return std::nullopt;
  return parse_number<double>(
      std::string_view(name).substr(function.size() + 1, name.size() - function.size() - 2));
}

// A function of a user's own may have any name: it must compute the same, too.
bool computes(const Activation& f, double (*reference)(double, double), double constant) {
  const std::vector<double> points{-3.0, -1.25, -0.1, 0.0, 0.1, 1.25, 3.0};
  const Var<double> y = f(Var<double>(from_values<double>({points.size()}, points)));
  for (std::size_t i = 0; i < points.size(); ++i) {
    const double want = reference(points[i], constant);
    if (!(std::abs(y.value().data()[i] - want) <= 1e-12 * (1.0 + std::abs(want)))) return false;
  }
  return true;
}

}  // namespace

std::optional<OnnxActivation> onnx_activation(const Activation& f) {
  if (f == Activation::tanh()) return OnnxActivation{&f, "Tanh"};
  if (f == Activation::sigmoid()) return OnnxActivation{&f, "Sigmoid"};
  if (f == Activation::relu()) return OnnxActivation{&f, "Relu"};
  if (f == Activation::identity()) return OnnxActivation{&f, "Affine", {1.0}, {0.0}};
  if (f == Activation::softplus()) return OnnxActivation{&f, "Softplus"};
  if (f == Activation::hard_sigmoid()) return OnnxActivation{&f, "HardSigmoid", {1.0 / 6.0}, {0.5}};
  if (f == Activation::gelu()) return OnnxActivation{&f, ""};
  if (const auto slope = argument(f.name(), "leaky_relu");
      slope && computes(
                   f, [](double x, double a) { return x > 0.0 ? x : a * x; }, *slope)) {
    return OnnxActivation{&f, "LeakyRelu", {*slope}};
  }
  if (const auto alpha = argument(f.name(), "elu");
      alpha && computes(
                   f, [](double x, double a) { return x > 0.0 ? x : a * std::expm1(x); }, *alpha)) {
    return OnnxActivation{&f, "Elu", {*alpha}};
  }
  return std::nullopt;
}

OnnxValue apply_onnx(const OnnxActivation& f, const OnnxValue& x) {
  if (f.op == "Tanh") return tanh(x);
  if (f.op == "Sigmoid") return sigmoid(x);
  if (f.op == "Relu") return relu(x);
  if (f.op == "Affine") return x;
  if (f.op == "Softplus") return softplus(x);
  if (f.op == "HardSigmoid") return clamp(x * f.alpha[0] + f.beta[0], 0.0, 1.0);
  if (f.op == "LeakyRelu") return leaky_relu(x, f.alpha[0]);
  if (f.op == "Elu") return elu(x, f.alpha[0]);
  return gelu(x);
}

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
