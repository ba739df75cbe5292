#include "training/onnx/cells.hpp"

#include <utility>

#include "framework/program/compile.hpp"
#include "framework/program/program.hpp"

namespace unroll::detail {

std::optional<OnnxActivation> onnx_activation(const Activation& f) {
  if (f == Activation::hard_sigmoid()) return OnnxActivation{"HardSigmoid", {1.0 / 6.0}, {0.5}};
  const StepFunction<double> function = [&](const VarList<double>& rows) {
    return VarList<double>{f(rows[0])};
  };
  const auto step = compile_forward(function, {1, 1});
  if (step.program == nullptr) return std::nullopt;
  if (step.program->next[0] == 0) return OnnxActivation{"Affine", {1.0}, {0.0}};  // x itself
  const auto& list = step.program->forward.before;
  if (list.size() != 1 || !step.program->forward.loop.empty()) return std::nullopt;
  const Instruction<double>& op = list.front();
  const auto& table = kernel::pointwise<double>();
  if (op.unary != nullptr) {
    for (const auto& [one, name] : {std::pair{table.tanh, "Tanh"},
                                    {table.sigmoid, "Sigmoid"},
                                    {table.relu, "Relu"},
                                    {table.softplus, "Softplus"}}) {
      if (op.unary == one) return OnnxActivation{name};
    }
  }
  if (op.unary1 != nullptr && op.unary1 == table.leaky_relu)
    return OnnxActivation{"LeakyRelu", {op.constant[0]}};
  if (op.unary1 != nullptr && op.unary1 == table.elu) return OnnxActivation{"Elu", {op.constant[0]}};
  return std::nullopt;
}

namespace {

// Adds the functions, unless the operators do not have one.
std::optional<OnnxOperator> with_functions(OnnxOperator made,
                                           const std::vector<const Activation*>& functions) {
  for (const Activation* f : functions) {
    auto known = onnx_activation(*f);
    if (!known) return std::nullopt;
    made.functions.push_back(std::move(*known));
  }
  return made;
}

}  // namespace

std::optional<OnnxOperator> onnx_operator(const RnnOptions& options) {
  return with_functions({"RNN", {{0}}, {}, {}}, {&options.activation});
}

// Ours i f g o (coupled: i g o) to ONNX's i o f c; peepholes ours i f o (coupled: i o) to ONNX's i o f.
std::optional<OnnxOperator> onnx_operator(const LstmOptions& options) {
  if (options.projection > 0 || options.layer_norm) return std::nullopt;
  OnnxOperator made{
      "LSTM",
      options.coupled ? std::vector<OnnxRows>{{0}, {2}, {-1}, {1}}
                      : std::vector<OnnxRows>{{0}, {3}, {1}, {2}},
      options.coupled ? std::vector<OnnxRows>{{0}, {1}, {-1}} : std::vector<OnnxRows>{{0}, {2}, {1}},
      {}};
  made.attributes.emplace("input_forget", Index{options.coupled});
  return with_functions(std::move(made),
                        {&options.gate_activation, &options.activation, &options.output_activation});
}

// Ours r z n to ONNX's z r h. ONNX's z keeps: h' = (1-z) n + z h. Where ours updates, its z is 1 minus ours,
// and 1 - sigmoid(a) = sigmoid(-a): the rows of z change sign.
std::optional<OnnxOperator> onnx_operator(const GruOptions& options) {
  const bool updates = options.update == GruUpdate::z_updates;
  OnnxOperator made{"GRU", {{1, updates ? -1.0 : 1.0}, {0}, {2}}, {}, {}};
  made.attributes.emplace("linear_before_reset", Index{options.reset == GruReset::after});
  auto result = with_functions(std::move(made), {&options.gate_activation, &options.activation});
  if (!result || !updates) return result;
  const std::string& gate = result->functions[0].op;
  return gate == "Sigmoid" || gate == "HardSigmoid" ? result : std::nullopt;
}

}  // namespace unroll::detail
