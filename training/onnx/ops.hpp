// Ops on values of an ONNX graph, with the names of those on Vars: a generic function,
// [](const auto& x) { return softmax(x); }, runs on a Var and exports an OnnxValue.
#pragma once

#include "framework/ops.hpp"
#include "training/onnx/graph.hpp"

namespace unroll {

// Each adds its nodes to the graph of its inputs and throws ShapeError for shapes that do not fit,
// ArgumentError for a value that is not defined. Shapes broadcast; an axis of a name fits one of the same
// name and of size 1.

OnnxValue operator+(const OnnxValue& x, const OnnxValue& y);
OnnxValue operator-(const OnnxValue& x, const OnnxValue& y);
OnnxValue operator*(const OnnxValue& x, const OnnxValue& y);
OnnxValue operator/(const OnnxValue& x, const OnnxValue& y);
OnnxValue operator-(const OnnxValue& x);
OnnxValue operator+(const OnnxValue& x, double c);
OnnxValue operator+(double c, const OnnxValue& x);
OnnxValue operator-(const OnnxValue& x, double c);
OnnxValue operator-(double c, const OnnxValue& x);
OnnxValue operator*(const OnnxValue& x, double c);
OnnxValue operator*(double c, const OnnxValue& x);
OnnxValue operator/(const OnnxValue& x, double c);
OnnxValue operator/(double c, const OnnxValue& x);
OnnxValue maximum(const OnnxValue& x, const OnnxValue& y);
OnnxValue minimum(const OnnxValue& x, const OnnxValue& y);
// condition: boolean
OnnxValue where(const OnnxValue& condition, const OnnxValue& x, const OnnxValue& y);
OnnxValue less(const OnnxValue& x, const OnnxValue& y);

OnnxValue exp(const OnnxValue& x);
OnnxValue log(const OnnxValue& x);
OnnxValue sqrt(const OnnxValue& x);
OnnxValue square(const OnnxValue& x);
OnnxValue pow(const OnnxValue& x, double exponent);
OnnxValue abs(const OnnxValue& x);
OnnxValue sin(const OnnxValue& x);
OnnxValue cos(const OnnxValue& x);
OnnxValue tanh(const OnnxValue& x);
OnnxValue sigmoid(const OnnxValue& x);
OnnxValue relu(const OnnxValue& x);
OnnxValue leaky_relu(const OnnxValue& x, double slope = 0.01);
OnnxValue elu(const OnnxValue& x, double alpha = 1.0);
OnnxValue gelu(const OnnxValue& x);
OnnxValue normal_cdf(const OnnxValue& x);
OnnxValue softplus(const OnnxValue& x);
OnnxValue clamp(const OnnxValue& x, double low, double high);

OnnxValue matmul(const OnnxValue& a, const OnnxValue& b);  // both of at least two axes
OnnxValue linear(const OnnxValue& x, const OnnxValue& weight, const OnnxValue& bias = {});

OnnxValue sum(const OnnxValue& x, const Axes& axes = {}, bool keepdims = false);
OnnxValue mean(const OnnxValue& x, const Axes& axes = {}, bool keepdims = false);
OnnxValue max(const OnnxValue& x, const Axes& axes = {}, bool keepdims = false);
OnnxValue min(const OnnxValue& x, const Axes& axes = {}, bool keepdims = false);
OnnxValue softmax(const OnnxValue& x, Index axis = -1);
OnnxValue log_softmax(const OnnxValue& x, Index axis = -1);
OnnxValue layer_norm(const OnnxValue& x, const OnnxValue& weight = {}, const OnnxValue& bias = {},
                     double eps = 1e-5);

// One size may be -1. Its axis is a number if all axes of x are, else it gets a new name.
OnnxValue reshape(const OnnxValue& x, const std::vector<Index>& shape);
OnnxValue permute(const OnnxValue& x, const std::vector<Index>& order);
OnnxValue transpose(const OnnxValue& x, Index axis_a = -2, Index axis_b = -1);
OnnxValue squeeze(const OnnxValue& x, const Axes& axes);
OnnxValue unsqueeze(const OnnxValue& x, Index axis);
OnnxValue concat(const std::vector<OnnxValue>& parts, Index axis = 0);
// Along an axis of a fixed size, or with a start and a step alone.
OnnxValue slice(const OnnxValue& x, Index axis, Range range);
OnnxValue select(const OnnxValue& x, Index axis, Index position);

namespace detail {

// [function] x: expected ..., or the shape that x and y broadcast to.
OnnxShape broadcast_onnx(const char* function, const OnnxShape& x, const OnnxShape& y);
OnnxValue cast_onnx(const OnnxValue& x, OnnxType type);

}  // namespace detail
}  // namespace unroll
