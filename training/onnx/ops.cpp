#include "training/onnx/ops.hpp"

#include <fmt/format.h>

#include <cmath>
#include <numbers>

#include "framework/errors.hpp"

namespace unroll {
namespace {

OnnxValue unary(const char* op, const OnnxValue& x, std::map<std::string, OnnxAttribute> attributes = {}) {
  return OnnxGraph::of(op, {x}).node({op, {x}, std::move(attributes)}, x.type(), x.shape());
}

OnnxValue binary(const char* op, const OnnxValue& x, const OnnxValue& y) {
  OnnxGraph graph = OnnxGraph::of(op, {x, y});
  if (!x.defined() || !y.defined())
    throw ArgumentError(fmt::format("[{}] inputs: expected two values, got one", op));
  if (x.type() != y.type())
    throw ArgumentError(
        fmt::format("[{}] inputs: expected one type, got two ('{}' and '{}')", op, x.name(), y.name()));
  return graph.node({op, {x, y}}, x.type(), detail::broadcast_onnx(op, x.shape(), y.shape()));
}

OnnxValue number(const char* op, const OnnxValue& like, double c) {
  return OnnxGraph::of(op, {like}).scalar(c, like.type());
}

std::size_t axis_of(const char* op, const OnnxValue& x, Index axis) {
  return normalize_axis(op, axis, x.shape().size());
}

std::vector<Index> axes_of(const char* op, const OnnxValue& x, const Axes& axes) {
  std::vector<Index> result;
  for (const Index axis : axes) result.push_back(static_cast<Index>(axis_of(op, x, axis)));
  if (axes.empty()) {
    for (Index i = 0; i < x.rank(); ++i) result.push_back(i);
  }
  return result;
}

// ReduceSum takes its axes as an input from opset 13 on, the others from 18 on.
OnnxValue reduce(const char* op, const OnnxValue& x, const Axes& given, bool keepdims) {
  OnnxGraph graph = OnnxGraph::of(op, {x});
  const std::vector<Index> axes = axes_of(op, x, given);
  OnnxShape shape;
  for (Index i = 0; i < x.rank(); ++i) {
    const bool reduced = std::find(axes.begin(), axes.end(), i) != axes.end();
    if (!reduced) shape.push_back(x.shape()[static_cast<std::size_t>(i)]);
    if (reduced && keepdims) shape.push_back(1);
  }
  OnnxNode node{op, {x}, {{"keepdims", Index{keepdims}}}};
  if (std::string_view(op) == "ReduceSum") {
    node.inputs.push_back(graph.integers(axes));
  } else {
    node.attributes.emplace("axes", axes);
  }
  return graph.node(node, x.type(), std::move(shape));
}

}  // namespace

namespace detail {

OnnxShape broadcast_onnx(const char* function, const OnnxShape& x, const OnnxShape& y) {
  const OnnxShape& longer = x.size() >= y.size() ? x : y;
  const OnnxShape& shorter = x.size() >= y.size() ? y : x;
  OnnxShape result = longer;
  for (std::size_t i = 0; i < shorter.size(); ++i) {
    OnnxDim& a = result[longer.size() - shorter.size() + i];
    const OnnxDim& b = shorter[i];
    if (a == OnnxDim(1)) {
      a = b;
    } else if (!(a == b) && !(b == OnnxDim(1))) {
      throw ShapeError(fmt::format("[{}] shapes: expected ones that broadcast, got {} and {}", function,
                                   to_string(x), to_string(y)));
    }
  }
  return result;
}

OnnxValue cast_onnx(const OnnxValue& x, OnnxType type) {
  if (x.type() == type) return x;
  return OnnxGraph::of("Cast", {x}).node({"Cast", {x}, {{"to", type}}}, type, x.shape());
}

}  // namespace detail

OnnxValue operator+(const OnnxValue& x, const OnnxValue& y) { return binary("Add", x, y); }
OnnxValue operator-(const OnnxValue& x, const OnnxValue& y) { return binary("Sub", x, y); }
OnnxValue operator*(const OnnxValue& x, const OnnxValue& y) { return binary("Mul", x, y); }
OnnxValue operator/(const OnnxValue& x, const OnnxValue& y) { return binary("Div", x, y); }
OnnxValue operator-(const OnnxValue& x) { return unary("Neg", x); }
OnnxValue operator+(const OnnxValue& x, double c) { return x + number("Add", x, c); }
OnnxValue operator+(double c, const OnnxValue& x) { return number("Add", x, c) + x; }
OnnxValue operator-(const OnnxValue& x, double c) { return x - number("Sub", x, c); }
OnnxValue operator-(double c, const OnnxValue& x) { return number("Sub", x, c) - x; }
OnnxValue operator*(const OnnxValue& x, double c) { return x * number("Mul", x, c); }
OnnxValue operator*(double c, const OnnxValue& x) { return number("Mul", x, c) * x; }
OnnxValue operator/(const OnnxValue& x, double c) { return x / number("Div", x, c); }
OnnxValue operator/(double c, const OnnxValue& x) { return number("Div", x, c) / x; }
OnnxValue maximum(const OnnxValue& x, const OnnxValue& y) { return binary("Max", x, y); }
OnnxValue minimum(const OnnxValue& x, const OnnxValue& y) { return binary("Min", x, y); }

OnnxValue where(const OnnxValue& condition, const OnnxValue& x, const OnnxValue& y) {
  OnnxGraph graph = OnnxGraph::of("where", {condition, x, y});
  if (condition.type() != OnnxType::boolean || x.type() != y.type())
    throw ArgumentError(
        "[where] inputs: expected a boolean condition and two values of one type, got others");
  return graph.node({"Where", {condition, x, y}}, x.type(),
                    detail::broadcast_onnx("where", condition.shape(),
                                           detail::broadcast_onnx("where", x.shape(), y.shape())));
}

OnnxValue less(const OnnxValue& x, const OnnxValue& y) {
  return OnnxGraph::of("less", {x, y})
      .node({"Less", {x, y}}, OnnxType::boolean, detail::broadcast_onnx("less", x.shape(), y.shape()));
}

OnnxValue exp(const OnnxValue& x) { return unary("Exp", x); }
OnnxValue log(const OnnxValue& x) { return unary("Log", x); }
OnnxValue sqrt(const OnnxValue& x) { return unary("Sqrt", x); }
OnnxValue square(const OnnxValue& x) { return x * x; }
OnnxValue pow(const OnnxValue& x, double exponent) { return binary("Pow", x, number("pow", x, exponent)); }
OnnxValue abs(const OnnxValue& x) { return unary("Abs", x); }
OnnxValue sin(const OnnxValue& x) { return unary("Sin", x); }
OnnxValue cos(const OnnxValue& x) { return unary("Cos", x); }
OnnxValue tanh(const OnnxValue& x) { return unary("Tanh", x); }
OnnxValue sigmoid(const OnnxValue& x) { return unary("Sigmoid", x); }
OnnxValue relu(const OnnxValue& x) { return unary("Relu", x); }
OnnxValue leaky_relu(const OnnxValue& x, double slope) { return unary("LeakyRelu", x, {{"alpha", slope}}); }
OnnxValue elu(const OnnxValue& x, double alpha) { return unary("Elu", x, {{"alpha", alpha}}); }
OnnxValue gelu(const OnnxValue& x) { return x * normal_cdf(x); }
OnnxValue normal_cdf(const OnnxValue& x) {
  return (unary("Erf", x * (1.0 / std::numbers::sqrt2)) + 1.0) * 0.5;
}
OnnxValue softplus(const OnnxValue& x) { return unary("Softplus", x); }

OnnxValue clamp(const OnnxValue& x, double low, double high) {
  if (!(low <= high))
    throw ArgumentError(fmt::format("[clamp] low: expected <= high, got {} and {}", low, high));
  return OnnxGraph::of("clamp", {x})
      .node({"Clip", {x, number("clamp", x, low), number("clamp", x, high)}}, x.type(), x.shape());
}

OnnxValue matmul(const OnnxValue& a, const OnnxValue& b) {
  OnnxGraph graph = OnnxGraph::of("matmul", {a, b});
  if (a.rank() < 2 || b.rank() < 2 || a.type() != b.type() ||
      a.shape().back() != b.shape()[b.shape().size() - 2]) {
    throw ShapeError(
        fmt::format("[matmul] shapes: expected (...,n,k) and (...,k,m) of one type, got {} and {}",
                    to_string(a.shape()), to_string(b.shape())));
  }
  OnnxShape shape = detail::broadcast_onnx("matmul", {a.shape().begin(), a.shape().end() - 2},
                                           {b.shape().begin(), b.shape().end() - 2});
  shape.push_back(a.shape()[a.shape().size() - 2]);
  shape.push_back(b.shape().back());
  return graph.node({"MatMul", {a, b}}, a.type(), std::move(shape));
}

OnnxValue linear(const OnnxValue& x, const OnnxValue& weight, const OnnxValue& bias) {
  const OnnxValue y = matmul(x, transpose(weight));
  return bias.defined() ? y + bias : y;
}

OnnxValue sum(const OnnxValue& x, const Axes& axes, bool keepdims) {
  return reduce("ReduceSum", x, axes, keepdims);
}
OnnxValue mean(const OnnxValue& x, const Axes& axes, bool keepdims) {
  return reduce("ReduceMean", x, axes, keepdims);
}
OnnxValue max(const OnnxValue& x, const Axes& axes, bool keepdims) {
  return reduce("ReduceMax", x, axes, keepdims);
}
OnnxValue min(const OnnxValue& x, const Axes& axes, bool keepdims) {
  return reduce("ReduceMin", x, axes, keepdims);
}

OnnxValue softmax(const OnnxValue& x, Index axis) {
  return unary("Softmax", x, {{"axis", static_cast<Index>(axis_of("softmax", x, axis))}});
}

OnnxValue log_softmax(const OnnxValue& x, Index axis) {
  return unary("LogSoftmax", x, {{"axis", static_cast<Index>(axis_of("log_softmax", x, axis))}});
}

OnnxValue layer_norm(const OnnxValue& x, const OnnxValue& weight, const OnnxValue& bias, double eps) {
  OnnxGraph graph = OnnxGraph::of("layer_norm", {x});
  // Opset 17 has it as one operator, which computes in float and so is not for double.
  if (graph.options().opset >= 17 && weight.defined() && x.type() == OnnxType::float32) {
    std::vector<OnnxValue> inputs{x, weight};
    if (bias.defined()) inputs.push_back(bias);
    return graph.node({"LayerNormalization", inputs, {{"axis", Index{-1}}, {"epsilon", eps}}}, x.type(),
                      x.shape());
  }
  const OnnxValue centered = x - mean(x, {-1}, true);
  OnnxValue y = centered / sqrt(mean(square(centered), {-1}, true) + eps);
  if (weight.defined()) y = y * weight;
  return bias.defined() ? y + bias : y;
}

}  // namespace unroll
