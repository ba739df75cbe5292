// to_onnx: what a layer computes in evaluation, as nodes of a graph.
#pragma once

#include "layers/activation.hpp"
#include "layers/dropout.hpp"
#include "layers/embedding.hpp"
#include "layers/layer_norm.hpp"
#include "layers/linear.hpp"
#include "training/onnx/ops.hpp"

namespace unroll {

// Each adds a layer to the graph of x, its parameters as constants called name.weight and so on, and returns
// the layer's output. Throws ShapeError or ArgumentError with the layer's name for an x that it does not
// take. A layer of one's own joins by a function of this name beside it: to_onnx(name, layer, x).

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
// Throws ArgumentError for an activation of one's own.
OnnxValue to_onnx(const std::string& name, const Activation& f, const OnnxValue& x);

}  // namespace unroll
