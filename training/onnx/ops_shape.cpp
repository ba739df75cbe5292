// The ops that move elements and leave them as they are.
#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <numeric>

#include "framework/errors.hpp"
#include "training/onnx/ops.hpp"

namespace unroll {

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
