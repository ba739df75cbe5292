// export_onnx: a model as an ONNX file; to_onnx: a layer as nodes of a graph.
#pragma once

#include <concepts>
#include <functional>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "layers/activation.hpp"
#include "layers/dropout.hpp"
#include "layers/embedding.hpp"
#include "layers/layer_norm.hpp"
#include "layers/linear.hpp"
#include "layers/sequential.hpp"
#include "training/onnx/ops.hpp"
#include "training/onnx/recurrent.hpp"

namespace unroll {

// Each adds a layer to the graph of x, with its parameters as constants called name.weight etc., and returns
// the layer's output. Throws ShapeError or ArgumentError with the layer's name for an invalid x. To export a
// custom layer, define to_onnx(name, layer, x) next to it.

// x (...) of int64 or int32 -> (...,E). A run reads an id below 0 from the end, where Embedding throws.
template <class S>
OnnxValue to_onnx(const std::string& name, const Embedding<S>& layer, const OnnxValue& x);
// x (...,I), at least two axes -> (...,O)
template <class S>
OnnxValue to_onnx(const std::string& name, const Linear<S>& layer, const OnnxValue& x);
// x (...,C) -> (...,C): LayerNormalization from opset 17 on in float, else made of simpler operators.
template <class S>
OnnxValue to_onnx(const std::string& name, const LayerNorm<S>& layer, const OnnxValue& x);
// x itself: there is no dropout in evaluation.
template <class S>
OnnxValue to_onnx(const std::string& name, const Dropout<S>& layer, const OnnxValue& x);
// Throws ArgumentError for a custom function that is no program, or has an op that ONNX has not.
OnnxValue to_onnx(const std::string& name, const Activation& f, const OnnxValue& x);

struct OnnxExportOptions {
  int opset = 14;                         // version of ONNX's operators, 14 to 17
  std::string input = "x", output = "y";  // names in the file
  OnnxShape input_shape =
      {};  // none: what the first layer takes, "time" and "batch" open; of a Linear ("batch",I)
  std::string lengths = {};  // an input of this name, int32 (batch): the steps of each sequence; none: all T
  OnnxStates states = OnnxStates::inside;  // of the recurrent layers: also as inputs and outputs?
  std::string name = "model";
  std::string doc = {};
  std::map<std::string, std::string> metadata = {};
};

// Writes what a model computes in evaluation as an ONNX file, after onnx's checker has accepted it. The model
// is a layer, a Sequential of layers, activations and functions, [](const auto& r) { return last(r); }, or
// any type with its own to_onnx. If it ends in a recurrent layer, its final states are outputs, too. Layers
// are named by their position, "0", "2.1".
//
// Throws ArgumentError with the layer's name for a step or function that cannot be exported and for an
// input_shape that cannot be inferred, ShapeError for layers that do not fit, FileError for the file.
template <class Model>
void export_onnx(const std::string& path, const Model& model, const OnnxExportOptions& options = {});

namespace detail {

template <class M, class X>
concept HasToOnnx = requires(const std::string& name, const M& layer, const X& x) {
  to_onnx(name, layer, x);
};
template <class M>
inline constexpr bool is_sequential = false;
template <class... Parts>
inline constexpr bool is_sequential<Sequential<Parts...>> = true;
template <class M>
inline constexpr bool is_recurrent = false;
template <class Cell>
inline constexpr bool is_recurrent<Recurrent<Cell>> = true;

[[noreturn]] void throw_not_exported(const std::string& name, const char* kind, bool function);

// What the layers of a model say of its input.
struct OnnxFirstInput {
  enum { open, known, unknown } found = open;
  OnnxType type = OnnxType::float32;
  OnnxShape shape = {};
  // Of the first recurrent layer: then the ids of an Embedding before it are (B,T), too.
  std::optional<bool> batch_first = std::nullopt;

  void set(OnnxType t, OnnxShape s) {
    if (found != open) return;
    found = known;
    type = t;
    shape = std::move(s);
  }
};

template <class M>
void read_first_input(const M&, OnnxFirstInput& first) {  // a function, or a layer of one's own
  if (first.found == OnnxFirstInput::open) first.found = OnnxFirstInput::unknown;
}
inline void read_first_input(const Activation&, OnnxFirstInput&) {}
template <class S>
void read_first_input(const Dropout<S>&, OnnxFirstInput&) {}
template <class S>
void read_first_input(const Embedding<S>&, OnnxFirstInput& first) {
  first.set(OnnxType::int64, {"time", "batch"});
}
template <class S>
void read_first_input(const Linear<S>& layer, OnnxFirstInput& first) {
  first.set(onnx_type<S>(), {"batch", layer.weight.shape(1)});
}
template <class S>
void read_first_input(const LayerNorm<S>& layer, OnnxFirstInput& first) {
  first.set(onnx_type<S>(), {"batch", layer.size});
}
template <class Cell>
void read_first_input(const Recurrent<Cell>& layer, OnnxFirstInput& first) {
  if (!first.batch_first) first.batch_first = layer.options().batch_first;
  first.set(onnx_type<scalar_t<Cell>>(), {"time", "batch", layer.input_size()});
}
template <class... Parts>
void read_first_input(const Sequential<Parts...>& sequential, OnnxFirstInput& first) {
  [&]<std::size_t... I>(std::index_sequence<I...>) {
    (read_first_input(sequential.template part<I>(), first), ...);
  }
  (std::index_sequence_for<Parts...>{});
}

// Goes through a model, part by part.
struct OnnxWalk {
  OnnxGraph graph;
  OnnxValue lengths = {};
  OnnxStates states = OnnxStates::inside;
  std::vector<std::function<void()>> final_states = {};  // make those of each recurrent layer outputs

  template <class M, class X>
  auto apply(const std::string& name, const M& part, const X& x) {
    if constexpr (is_sequential<M>) {
      return apply_parts<0>(name, part, x);
    } else if constexpr (is_recurrent<M> && std::is_same_v<X, OnnxValue>) {
      return apply_recurrent(name, part, x);
    } else if constexpr (HasToOnnx<M, X>) {
      return to_onnx(name, part, x);
    } else if constexpr (std::invocable<const M&, const X&>) {
      return part(x);
    } else {
      const char* kind = "";
      if constexpr (requires { M::kName; }) kind = M::kName;
      throw_not_exported(name, kind, !Module<const M>);
      return x;
    }
  }

 private:
  template <std::size_t I, class M, class X>
  auto apply_parts(const std::string& name, const M& sequential, const X& x) {
    if constexpr (I == M::kSize) {
      return x;
    } else {
      return apply_parts<I + 1>(name, sequential,
                                apply(join_names(name, std::to_string(I)), sequential.template part<I>(), x));
    }
  }
  template <class Cell>
  OnnxRecurrentOutput apply_recurrent(const std::string& name, const Recurrent<Cell>& layer,
                                      const OnnxValue& x) {
    const OnnxDim batch = x.rank() < 2 ? OnnxDim("batch") : x.shape()[layer.options().batch_first ? 0 : 1];
    const OnnxRecurrentOutput result =
        to_onnx(name, layer, x, {unroll::state_inputs(graph, name, layer, states, batch), lengths});
    final_states.push_back(
        [this, name, &layer, result] { unroll::state_outputs(graph, name, layer, result.states); });
    return result;
  }
};

OnnxGraph begin_onnx(const OnnxExportOptions& options);
OnnxValue onnx_input(OnnxGraph& graph, const OnnxExportOptions& options, const OnnxFirstInput& first);
OnnxValue onnx_lengths(OnnxGraph& graph, const OnnxExportOptions& options, const OnnxFirstInput& first,
                       const OnnxValue& x);

}  // namespace detail

// A Sequential, for a custom graph.
template <class X, class... Parts>
auto to_onnx(const std::string& name, const Sequential<Parts...>& sequential, const X& x) {
  return detail::OnnxWalk{OnnxGraph::of("to_onnx", {x})}.apply(name, sequential, x);
}

template <class Model>
void export_onnx(const std::string& path, const Model& model, const OnnxExportOptions& options) {
  detail::OnnxFirstInput first;
  detail::read_first_input(model, first);
  OnnxGraph graph = detail::begin_onnx(options);
  const OnnxValue x = detail::onnx_input(graph, options, first);
  detail::OnnxWalk walk{graph, detail::onnx_lengths(graph, options, first, x), options.states};
  const auto result = walk.apply("", model, x);
  constexpr bool recurrent = std::is_same_v<decltype(result), const OnnxRecurrentOutput>;
  if constexpr (recurrent) {
    graph.output(options.output, result.output);
  } else {
    graph.output(options.output, result);
  }
  if (options.states != OnnxStates::inside) {
    for (const auto& make : walk.final_states) make();
  } else if (recurrent && !walk.final_states.empty()) {
    walk.final_states.back()();
  }
  graph.save(path);
}

}  // namespace unroll
