#include "training/onnx/export.hpp"

#include <fmt/format.h>

#include "framework/errors.hpp"

namespace unroll::detail {

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

}  // namespace unroll::detail
