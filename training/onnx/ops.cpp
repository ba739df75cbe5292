#include "training/onnx/ops.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <numeric>

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

OnnxValue reshape(const OnnxValue& x, const std::vector<Index>& shape) {
  OnnxGraph graph = OnnxGraph::of("reshape", {x});
  OnnxShape result(shape.begin(), shape.end());
  const auto open = std::find(shape.begin(), shape.end(), -1);
  const bool fixed =
      std::all_of(x.shape().begin(), x.shape().end(), [](const OnnxDim& d) { return d.fixed(); });
  Index elements = 1, known = 1;
  for (const OnnxDim& dim : x.shape()) elements *= dim.size;
  for (const Index n : shape) {
    if (n != -1) known *= n;
  }
  const bool bad = std::count(shape.begin(), shape.end(), -1) > 1 ||
                   std::any_of(shape.begin(), shape.end(), [](Index n) { return n < -1 || n == 0; }) ||
                   (fixed && (open == shape.end() ? known != elements : elements % known != 0));
  if (bad) {
    throw ShapeError(
        fmt::format("[reshape] shape: expected one of as many elements as {} (one size may be -1), got ({})",
                    to_string(x.shape()), fmt::join(shape, ",")));
  }
  const OnnxValue target = graph.integers(shape);
  if (open != shape.end()) {
    OnnxDim& dim = result[static_cast<std::size_t>(open - shape.begin())];
    dim = fixed ? OnnxDim(elements / known) : OnnxDim(fmt::format("rest_of_{}", x.name()));
  }
  return graph.node({"Reshape", {x, target}}, x.type(), std::move(result));
}

OnnxValue permute(const OnnxValue& x, const std::vector<Index>& order) {
  OnnxGraph graph = OnnxGraph::of("permute", {x});
  std::vector<Index> axes;
  OnnxShape shape;
  for (const Index axis : order) {
    const std::size_t i = normalize_axis("permute", axis, x.shape().size());
    axes.push_back(static_cast<Index>(i));
    shape.push_back(x.shape()[i]);
  }
  std::vector<Index> sorted = axes;
  std::sort(sorted.begin(), sorted.end());
  if (axes.size() != x.shape().size() || std::adjacent_find(sorted.begin(), sorted.end()) != sorted.end()) {
    throw ShapeError(fmt::format("[permute] order: expected each axis of {} once, got ({})",
                                 to_string(x.shape()), fmt::join(order, ",")));
  }
  return graph.node({"Transpose", {x}, {{"perm", axes}}}, x.type(), std::move(shape));
}

OnnxValue transpose(const OnnxValue& x, Index axis_a, Index axis_b) {
  OnnxGraph::of("transpose", {x});
  std::vector<Index> order(x.shape().size());
  std::iota(order.begin(), order.end(), Index{0});
  std::swap(order[normalize_axis("transpose", axis_a, order.size())],
            order[normalize_axis("transpose", axis_b, order.size())]);
  return permute(x, order);
}

OnnxValue squeeze(const OnnxValue& x, const Axes& axes) {
  OnnxGraph graph = OnnxGraph::of("squeeze", {x});
  std::vector<Index> gone;
  for (const Index axis : axes)
    gone.push_back(static_cast<Index>(normalize_axis("squeeze", axis, x.shape().size())));
  OnnxShape shape;
  for (Index i = 0; i < x.rank(); ++i) {
    const OnnxDim& dim = x.shape()[static_cast<std::size_t>(i)];
    if (std::find(gone.begin(), gone.end(), i) == gone.end()) {
      shape.push_back(dim);
    } else if (!(dim == OnnxDim(1))) {
      throw ShapeError(fmt::format("[squeeze] axis {}: expected size 1, got {}", i, to_string(x.shape())));
    }
  }
  return graph.node({"Squeeze", {x, graph.integers(gone)}}, x.type(), std::move(shape));
}

OnnxValue unsqueeze(const OnnxValue& x, Index axis) {
  OnnxGraph graph = OnnxGraph::of("unsqueeze", {x});
  const std::size_t i = normalize_axis("unsqueeze", axis, x.shape().size() + 1);
  OnnxShape shape = x.shape();
  shape.insert(shape.begin() + static_cast<Index>(i), OnnxDim(1));
  return graph.node({"Unsqueeze", {x, graph.integers({static_cast<Index>(i)})}}, x.type(), std::move(shape));
}

OnnxValue concat(const std::vector<OnnxValue>& parts, Index axis) {
  OnnxGraph graph = OnnxGraph::of("concat", parts);
  OnnxShape shape = parts[0].shape();
  const std::size_t i = normalize_axis("concat", axis, shape.size());
  if (parts.size() == 1) return parts[0];
  OnnxDim total = 0;
  std::string name;
  for (const OnnxValue& part : parts) {
    OnnxShape rest = part.shape();
    const OnnxDim own = i < rest.size() ? rest[i] : OnnxDim(0);
    if (i < rest.size()) rest[i] = shape[i];
    if (!(rest == shape) || part.type() != parts[0].type()) {
      throw ShapeError(
          fmt::format("[concat] parts: expected one type and equal shapes except on axis {}, got {} and {}",
                      i, to_string(parts[0].shape()), to_string(part.shape())));
    }
    name += fmt::format("{}{}", name.empty() ? "" : "+", own.fixed() ? std::to_string(own.size) : own.name);
    total = own.fixed() && total.fixed() ? OnnxDim(total.size + own.size) : OnnxDim("?");
  }
  shape[i] = total.fixed() ? total : OnnxDim(name);
  return graph.node({"Concat", parts, {{"axis", static_cast<Index>(i)}}}, parts[0].type(), std::move(shape));
}

OnnxValue slice(const OnnxValue& x, Index axis, Range range) {
  OnnxGraph graph = OnnxGraph::of("slice", {x});
  if (range.step == 0) throw ArgumentError("[slice] step: expected a number other than 0, got 0");
  const std::size_t i = normalize_axis("slice", axis, x.shape().size());
  const OnnxDim& dim = x.shape()[i];
  constexpr Index kFar = std::numeric_limits<Index>::max();
  const Index start = range.start.value_or(range.step > 0 ? 0 : kFar);
  const Index stop = range.stop.value_or(range.step > 0 ? kFar : -kFar);
  OnnxShape shape = x.shape();
  if (dim.fixed()) {
    // As Python has it: from the end where negative, then clipped.
    const auto clip = [&](Index at) {
      if (at < 0) at = at < -dim.size ? -1 - dim.size : at + dim.size;
      return range.step > 0 ? std::clamp(at, Index{0}, dim.size) : std::clamp(at, Index{-1}, dim.size - 1);
    };
    const Index first = clip(start), last = stop == -kFar ? -1 : clip(stop);
    const Index stride = std::abs(range.step), reach = range.step > 0 ? last - first : first - last;
    shape[i] = reach <= 0 ? 0 : (reach + stride - 1) / stride;
  } else if (start != 0 || stop != kFar || range.step != 1) {
    shape[i] = OnnxDim(fmt::format("part_of_{}", x.name()));
  }
  return graph.node({"Slice",
                     {x, graph.integers({start}), graph.integers({stop}),
                      graph.integers({static_cast<Index>(i)}), graph.integers({range.step})}},
                    x.type(), std::move(shape));
}

OnnxValue select(const OnnxValue& x, Index axis, Index position) {
  OnnxGraph graph = OnnxGraph::of("select", {x});
  const std::size_t i = normalize_axis("select", axis, x.shape().size());
  const OnnxDim& dim = x.shape()[i];
  if (dim.fixed() && (position < -dim.size || position >= dim.size)) {
    throw ShapeError(
        fmt::format("[select] position: expected {}..{}, got {}", -dim.size, dim.size - 1, position));
  }
  OnnxShape shape = x.shape();
  shape.erase(shape.begin() + static_cast<Index>(i));
  const OnnxValue at = graph.scalar(static_cast<double>(position), OnnxType::int64);
  return graph.node({"Gather", {x, at}, {{"axis", static_cast<Index>(i)}}}, x.type(), std::move(shape));
}

}  // namespace unroll
