#include "training/onnx/export.hpp"

#include <fmt/format.h>

#include "framework/errors.hpp"
#include "training/onnx/program.hpp"

namespace unroll {
namespace {

void check_features(const std::string& name, const char* kind, const OnnxValue& x, OnnxType type,
                    std::size_t want, Index rank) {
  if (x.defined() && x.type() != type) {
    throw ArgumentError(fmt::format(
        "[export_onnx] layer '{}' ({}) input: expected the layer's scalar type, got another", name, kind));
  }
  if (!x.defined() || x.rank() < rank || !(x.shape().back() == OnnxDim(want))) {
    throw ShapeError(fmt::format("[export_onnx] layer '{}' ({}) input: expected ({}...,{}), got {}", name,
                                 kind, rank > 1 ? "n," : "", want,
                                 x.defined() ? to_string(x.shape()) : "none"));
  }
}

template <class S>
OnnxValue parameter_of(const OnnxValue& x, const std::string& name, const Var<S>& var, const char* member) {
  return var.defined() ? x.graph().constant(detail::join_names(name, member), var.value()) : OnnxValue();
}

}  // namespace

template <class S>
OnnxValue to_onnx(const std::string& name, const Embedding<S>& layer, const OnnxValue& x) {
  if (!x.defined() || (x.type() != OnnxType::int64 && x.type() != OnnxType::int32)) {
    throw ArgumentError(
        fmt::format("[export_onnx] layer '{}' (Embedding) input: expected ids of int64, got {}", name,
                    x.defined() ? "another type" : "none"));
  }
  const OnnxValue weight = parameter_of(x, name, layer.weight, "weight");
  OnnxShape shape = x.shape();
  shape.push_back(weight.shape()[1]);
  return OnnxGraph::of("to_onnx", {x})
      .node({"Gather", {weight, x}, {{"axis", Index{0}}}, name}, weight.type(), shape);
}

template <class S>
OnnxValue to_onnx(const std::string& name, const Linear<S>& layer, const OnnxValue& x) {
  check_features(name, "Linear", x, onnx_type<S>(), layer.weight.shape(1), 2);
  // Transposed here and not by every run.
  const OnnxValue weight = parameter_of(x, name, transpose(layer.weight).detach(), "weight");
  const OnnxValue y = matmul(x, weight);
  return layer.bias.defined() ? y + parameter_of(x, name, layer.bias, "bias") : y;
}

template <class S>
OnnxValue to_onnx(const std::string& name, const LayerNorm<S>& layer, const OnnxValue& x) {
  check_features(name, "LayerNorm", x, onnx_type<S>(), static_cast<std::size_t>(layer.size), 1);
  return layer_norm(x, parameter_of(x, name, layer.weight, "weight"),
                    parameter_of(x, name, layer.bias, "bias"), layer.options.eps);
}

template <class S>
OnnxValue to_onnx(const std::string&, const Dropout<S>&, const OnnxValue& x) {
  return x;
}

OnnxValue to_onnx(const std::string& name, const Activation& f, const OnnxValue& x) {
  return detail::apply_program(fmt::format("layer '{}' (Activation) function", name), f, x);
}

#define UNROLL_INSTANTIATE(S)                                                            \
  template OnnxValue to_onnx(const std::string&, const Embedding<S>&, const OnnxValue&); \
  template OnnxValue to_onnx(const std::string&, const Linear<S>&, const OnnxValue&);    \
  template OnnxValue to_onnx(const std::string&, const LayerNorm<S>&, const OnnxValue&); \
  template OnnxValue to_onnx(const std::string&, const Dropout<S>&, const OnnxValue&);
UNROLL_INSTANTIATE(float)
UNROLL_INSTANTIATE(double)
#undef UNROLL_INSTANTIATE

namespace detail {

void throw_not_exported(const std::string& name, const char* kind, bool function) {
  if (function) {
    throw ArgumentError(
        fmt::format("[export_onnx] layer '{}' (a function) input: expected any type, got one that takes only "
                    "Vars, or not what the layer before returns (write it [](const auto& x) {{ ... }})",
                    name));
  }
  throw ArgumentError(
      fmt::format("[export_onnx] layer '{}' ({}): expected one of the library's layers on a value that it "
                  "accepts, got one that ONNX does not know (define to_onnx(name, layer, x) for it)",
                  name, *kind == '\0' ? "a layer of your own" : kind));
}

OnnxGraph begin_onnx(const OnnxExportOptions& options) {
  return OnnxGraph({options.opset, options.name, options.doc, options.metadata});
}

OnnxValue onnx_input(OnnxGraph& graph, const OnnxExportOptions& options, const OnnxFirstInput& first) {
  OnnxShape shape = options.input_shape;
  if (shape.empty()) {
    if (first.found != OnnxFirstInput::known) {
      throw ArgumentError(fmt::format(
          "[export_onnx] input_shape: expected the shape of '{}', as the first layer of the model does not "
          "give it, got none (for example .input_shape = {{\"time\", \"batch\", 8}})",
          options.input));
    }
    shape = first.shape;
    if (first.batch_first.value_or(false) && shape.size() >= 2 && shape[0] == OnnxDim("time"))
      std::swap(shape[0], shape[1]);
  }
  return graph.input(options.input, first.type, std::move(shape));
}

OnnxValue onnx_lengths(OnnxGraph& graph, const OnnxExportOptions& options, const OnnxFirstInput& first,
                       const OnnxValue& x) {
  if (options.lengths.empty()) return {};
  if (x.rank() < 2 || !first.batch_first) {
    throw ArgumentError(
        fmt::format("[export_onnx] lengths '{}': expected a model with a recurrent layer, got one without",
                    options.lengths));
  }
  return graph.input(options.lengths, OnnxType::int32, {x.shape()[*first.batch_first ? 0 : 1]},
                     "steps of each sequence, 0 up to all of them, in any order");
}

}  // namespace detail

}  // namespace unroll
