#include "training/onnx/scan.hpp"

#include <fmt/format.h>

#include "framework/errors.hpp"
#include "training/onnx/ops.hpp"

namespace unroll {
namespace detail {
namespace {

OnnxValue shape_of(const OnnxValue& x) {
  return x.graph().node({"Shape", {x}}, OnnxType::int64, {x.shape().size()});
}

}  // namespace

OnnxValue for_batch_of(const OnnxValue& x, const OnnxValue& v) {
  const OnnxDim& batch = x.shape()[1];
  if (v.shape()[0] == batch) return v;
  OnnxGraph graph = x.graph();
  const OnnxValue target = concat({slice(shape_of(x), 0, {1, 2}), graph.integers({v.shape()[1].size})}, 0);
  return graph.node({"Expand", {v, target}}, v.type(), {batch, v.shape()[1]});
}

OnnxValue alive_steps(const OnnxValue& x, const OnnxValue& lengths) {
  OnnxGraph graph = x.graph();
  const OnnxValue steps = graph.node(
      {"Range",
       {graph.scalar(0, OnnxType::int64), select(shape_of(x), 0, 0), graph.scalar(1, OnnxType::int64)}},
      OnnxType::int64, {x.shape()[0]});
  const OnnxValue ends = cast_onnx(lengths, OnnxType::int64);
  return unsqueeze(less(unsqueeze(steps, 1), unsqueeze(ends, 0)), 2);
}

OnnxRecurrentOutput scan_alive(const std::string& name, const OnnxValue& x, const OnnxState& initial,
                               const OnnxValue& alive, bool backward, const OnnxStep& step) {
  const OnnxType type = initial.h.type();
  OnnxGraph graph = OnnxGraph::of("scan", {x});
  OnnxGraph body = graph.body();
  const bool has_cell = initial.c.defined();
  OnnxState before{body.input("h", type, initial.h.shape()), {}};
  if (has_cell) before.c = body.input("c", type, initial.c.shape());
  const OnnxValue x_t = body.input("x", x.type(), {x.shape().begin() + 1, x.shape().end()});
  const OnnxValue alive_t =
      alive.defined() ? body.input("alive", OnnxType::boolean, {alive.shape()[1], 1}) : OnnxValue();

  OnnxState after = step(x_t, before);
  const auto check = [&](const char* part, const OnnxValue& want, const OnnxValue& got) {
    if (want.defined() == got.defined() && (!want.defined() || want.shape() == got.shape())) return;
    throw ShapeError(fmt::format("[scan] '{}' step: expected {} of the shape that it begins with, {}, got {}",
                                 name, part, want.defined() ? to_string(want.shape()) : "none",
                                 got.defined() ? to_string(got.shape()) : "none"));
  };
  check("h", initial.h, after.h);
  check("c", initial.c, after.c);
  OnnxValue y = after.h;
  if (alive.defined()) {
    // Beyond a sequence's length its state stays and its output is 0. Backward the steps beyond come first.
    y = where(alive_t, y, body.scalar(0.0, type));
    after.h = where(alive_t, after.h, before.h);
    if (has_cell) after.c = where(alive_t, after.c, before.c);
  }
  body.output("h_next", after.h);
  if (has_cell) body.output("c_next", after.c);
  body.output("y", y);

  OnnxNode node{"Scan", {initial.h}, {}, name};
  std::vector<std::pair<OnnxType, OnnxShape>> outputs{{type, initial.h.shape()}};
  if (has_cell) {
    node.inputs.push_back(initial.c);
    outputs.push_back({type, initial.c.shape()});
  }
  node.inputs.push_back(x);
  if (alive.defined()) node.inputs.push_back(alive);
  outputs.push_back({type, {x.shape()[0], initial.h.shape()[0], initial.h.shape()[1]}});
  const std::size_t scanned = alive.defined() ? 2 : 1;
  node.attributes.emplace("num_scan_inputs", static_cast<Index>(scanned));
  if (backward) {
    node.attributes.emplace("scan_input_directions", std::vector<Index>(scanned, 1));
    node.attributes.emplace("scan_output_directions", std::vector<Index>{1});
  }
  const std::vector<OnnxValue> made = graph.node(node, body, outputs);
  return {made.back(), {{made[0], has_cell ? made[1] : OnnxValue()}}};
}

}  // namespace detail

OnnxRecurrentOutput scan(const std::string& name, const OnnxValue& x, const OnnxState& initial,
                         const OnnxStep& step, const OnnxScanOptions& options) {
  if (!x.defined() || x.rank() < 2) {
    throw ShapeError(fmt::format("[scan] '{}' x: expected (time,batch,...), got {}", name,
                                 x.defined() ? to_string(x.shape()) : "none"));
  }
  const OnnxDim& batch = x.shape()[1];
  const auto begin = [&](const char* part, const OnnxValue& v) {
    if (v.rank() != 2 || !(v.shape()[0] == batch || v.shape()[0] == OnnxDim(1)) || !v.shape()[1].fixed()) {
      throw ShapeError(fmt::format("[scan] '{}' initial {}: expected ({},H) or (1,H), got {}", name, part,
                                   batch.fixed() ? std::to_string(batch.size) : batch.name,
                                   v.defined() ? to_string(v.shape()) : "none"));
    }
    return detail::for_batch_of(x, v);
  };
  const OnnxState state{begin("h", initial.h), initial.c.defined() ? begin("c", initial.c) : OnnxValue()};
  OnnxValue alive;
  if (options.lengths.defined()) {
    if (!(options.lengths.shape() == OnnxShape{batch})) {
      throw ShapeError(fmt::format("[scan] '{}' lengths: expected {}, got {}", name,
                                   to_string(OnnxShape{batch}), to_string(options.lengths.shape())));
    }
    alive = detail::alive_steps(x, options.lengths);
  }
  return detail::scan_alive(name, x, state, alive, options.backward, step);
}

}  // namespace unroll
