#include "training/onnx/scan.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

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

OnnxRecurrentOutput scan_alive(const std::string& name, const std::vector<OnnxValue>& sequences,
                               const std::vector<OnnxValue>& initial, std::size_t hidden,
                               const OnnxValue& alive, bool backward, const OnnxListStep& step) {
  OnnxGraph graph = OnnxGraph::of("scan", sequences);
  OnnxGraph body = graph.body();
  std::vector<OnnxValue> before, rows;
  for (std::size_t k = 0; k < initial.size(); ++k)
    before.push_back(body.input(fmt::format("state{}", k), initial[k].type(), initial[k].shape()));
  for (std::size_t k = 0; k < sequences.size(); ++k) {
    const OnnxShape& shape = sequences[k].shape();
    rows.push_back(body.input(fmt::format("x{}", k), sequences[k].type(), {shape.begin() + 1, shape.end()}));
  }
  const OnnxValue alive_t =
      alive.defined() ? body.input("alive", OnnxType::boolean, {alive.shape()[1], 1}) : OnnxValue();

  std::vector<OnnxValue> after = step(rows, before);
  for (std::size_t k = 0; k < std::max(initial.size(), after.size()); ++k) {
    const auto shape = [&](const std::vector<OnnxValue>& list) {
      return k < list.size() && list[k].defined() ? to_string(list[k].shape()) : "none";
    };
    if (shape(initial) == shape(after)) continue;
    throw ShapeError(fmt::format("[scan] '{}' step: expected {} of the shape that it begins with, {}, got {}",
                                 name, k == hidden ? "h" : fmt::format("part {} of the state", k),
                                 shape(initial), shape(after)));
  }
  OnnxValue y = after[hidden];
  if (alive.defined()) {
    // Beyond a sequence's length its state stays and its output is 0. Backward the steps beyond come first.
    y = where(alive_t, y, body.scalar(0.0, y.type()));
    for (std::size_t k = 0; k < after.size(); ++k) after[k] = where(alive_t, after[k], before[k]);
  }
  OnnxNode node{"Scan", initial, {}, name};
  std::vector<std::pair<OnnxType, OnnxShape>> outputs;
  for (std::size_t k = 0; k < after.size(); ++k) {
    body.output(fmt::format("next{}", k), after[k]);
    outputs.emplace_back(initial[k].type(), initial[k].shape());
  }
  body.output("y", y);
  OnnxShape all = initial[hidden].shape();
  all.insert(all.begin(), sequences[0].shape()[0]);
  outputs.emplace_back(y.type(), std::move(all));

  node.inputs.insert(node.inputs.end(), sequences.begin(), sequences.end());
  if (alive.defined()) node.inputs.push_back(alive);
  const std::size_t scanned = sequences.size() + (alive.defined() ? 1 : 0);
  node.attributes.emplace("num_scan_inputs", static_cast<Index>(scanned));
  if (backward) {
    node.attributes.emplace("scan_input_directions", std::vector<Index>(scanned, 1));
    node.attributes.emplace("scan_output_directions", std::vector<Index>{1});
  }
  std::vector<OnnxValue> made = graph.node(node, body, outputs);
  const OnnxValue output = std::move(made.back());
  made.pop_back();
  return {output, {state_of(std::move(made), hidden)}};
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
  OnnxState state{begin("h", initial.h)};
  for (const OnnxValue& other : initial.others) state.others.push_back(begin("state", other));
  OnnxValue alive;
  if (options.lengths.defined()) {
    if (!(options.lengths.shape() == OnnxShape{batch})) {
      throw ShapeError(fmt::format("[scan] '{}' lengths: expected {}, got {}", name,
                                   to_string(OnnxShape{batch}), to_string(options.lengths.shape())));
    }
    alive = detail::alive_steps(x, options.lengths);
  }
  const auto list_step = [&](const std::vector<OnnxValue>& rows, const std::vector<OnnxValue>& before) {
    return detail::list_of(step(rows[0], detail::state_of(before, 0)), 0);
  };
  return detail::scan_alive(name, {x}, detail::list_of(state, 0), 0, alive, options.backward, list_step);
}

}  // namespace unroll
