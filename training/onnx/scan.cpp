#include "training/onnx/scan.hpp"

#include <fmt/format.h>

#include "framework/errors.hpp"
#include "training/onnx/cells.hpp"
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

namespace detail {

namespace {

// A cell's parameters as constants, called as in the layer; matrices transposed, as products want them.
struct Weights {
  std::map<std::string, OnnxValue> values;
  OnnxValue operator[](const std::string& name) const {
    const auto found = values.find(name);
    return found == values.end() ? OnnxValue() : found->second;
  }
};

template <class Cell>
Weights weights_of(OnnxGraph graph, const std::string& name, const std::string& suffix, const Cell& cell) {
  using S = scalar_t<Cell>;
  Weights weights;
  for_each_parameter(cell, [&](const std::string& member, const Var<S>& var) {
    const Var<S> stored = var.dimension() == 2 ? transpose(var).detach() : var;
    weights.values.emplace(member, graph.constant(join_names(name, member + suffix), stored.value()));
  });
  return weights;
}

OnnxValue product(const OnnxValue& x, const OnnxValue& weight, const OnnxValue& bias) {
  const OnnxValue y = matmul(x, weight);
  return bias.defined() ? y + bias : y;
}

// `count` parts of `size` each along the last axis.
std::vector<OnnxValue> parts(const OnnxValue& x, std::size_t count, Index size) {
  std::vector<OnnxValue> result;
  for (std::size_t i = 0; i < count; ++i) {
    const auto first = static_cast<Index>(i) * size;
    result.push_back(slice(x, -1, {first, first + size}));
  }
  return result;
}

// What a step needs of x, for all steps at once: (T,B,gates*H).
template <class Cell>
OnnxValue of_input(const Cell& cell, const Weights& w, const OnnxValue& x) {
  if constexpr (requires { cell.options.layer_norm; }) {
    if (cell.options.layer_norm) return layer_norm(matmul(x, w["weight_ih"]), w["norm_ih"], w["bias_ih"]);
  }
  return product(x, w["weight_ih"], w["bias_ih"]);
}

// A step: a (B,gates*H), the state before it -> the state after it. The equations are those of the cells.
template <class S>
OnnxState step(const RnnCell<S>&, const OnnxCell& how, const Weights& w, const OnnxValue& a,
               const OnnxState& state) {
  return {apply_onnx(how.functions[0], a + product(state.h, w["weight_hh"], w["bias_hh"])), {}};
}

template <class S>
OnnxState step(const GruCell<S>& cell, const OnnxCell& how, const Weights& w, const OnnxValue& a,
               const OnnxState& state) {
  const Index size = cell.options.hidden;
  const auto gate = [&](const OnnxValue& v) { return apply_onnx(how.functions[0], v); };
  const auto from_x = parts(a, 3, size);
  const OnnxValue& h = state.h;
  OnnxValue z, n;
  if (cell.options.reset == GruReset::after) {
    const auto from_h = parts(product(h, w["weight_hh"], w["bias_hh"]), 3, size);
    z = gate(from_x[1] + from_h[1]);
    n = apply_onnx(how.functions[1], from_x[2] + gate(from_x[0] + from_h[0]) * from_h[2]);
  } else {
    const auto weight = parts(w["weight_hh"], 3, size);
    const auto bias = w["bias_hh"].defined() ? parts(w["bias_hh"], 3, size) : std::vector<OnnxValue>(3);
    const OnnxValue r = gate(from_x[0] + product(h, weight[0], bias[0]));
    z = gate(from_x[1] + product(h, weight[1], bias[1]));
    n = apply_onnx(how.functions[1], from_x[2] + product(r * h, weight[2], bias[2]));
  }
  if (cell.options.update == GruUpdate::z_keeps) return {z * h + (1.0 - z) * n, {}};
  return {(1.0 - z) * h + z * n, {}};
}

template <class S>
OnnxState step(const LstmCell<S>& cell, const OnnxCell& how, const Weights& w, const OnnxValue& a,
               const OnnxState& state) {
  const LstmOptions& options = cell.options;
  const Index size = options.hidden;
  const OnnxValue from_h = options.layer_norm
                               ? layer_norm(matmul(state.h, w["weight_hh"]), w["norm_hh"], w["bias_hh"])
                               : product(state.h, w["weight_hh"], w["bias_hh"]);
  auto rows = parts(a + from_h, options.coupled ? 3 : 4, size);
  std::vector<OnnxValue> peep(3);
  if (options.peepholes) peep = parts(w["weight_ch"], options.coupled ? 2 : 3, size);
  if (options.coupled) {
    rows.insert(rows.begin() + 1, OnnxValue());
    if (options.peepholes) peep.insert(peep.begin() + 1, OnnxValue());
  }
  const auto gate = [&](const OnnxValue& row, const OnnxValue& p, const OnnxValue& c) {
    return apply_onnx(how.functions[0], p.defined() ? row + p * c : row);
  };
  const OnnxValue i = gate(rows[0], peep[0], state.c);
  const OnnxValue f = options.coupled ? 1.0 - i : gate(rows[1], peep[1], state.c);
  const OnnxValue c = f * state.c + i * apply_onnx(how.functions[1], rows[2]);
  const OnnxValue o = gate(rows[3], peep[2], c);
  const OnnxValue h =
      o * apply_onnx(how.functions[2], options.layer_norm ? layer_norm(c, w["norm_c"], w["norm_c_bias"]) : c);
  return {options.projection > 0 ? matmul(h, w["weight_hr"]) : h, c};
}

}  // namespace

template <class Cell>
OnnxRecurrentOutput scan_onnx(const std::string& name, const std::string& suffix, const Cell& cell,
                              const RecurrentOptions& options, const OnnxValue& x, const OnnxValue& alive,
                              const OnnxState& initial, bool backward) {
  const OnnxCell how = onnx_cell(name, cell.options);
  const Weights w = weights_of(OnnxGraph::of("to_onnx", {x}), name, suffix, cell);
  const auto zone_out = [](const OnnxValue& before, const OnnxValue& after, double p) {
    return p == 0.0 ? after : p * before + (1.0 - p) * after;
  };
  return scan_alive(join_names(name, suffix.substr(1)), of_input(cell, w, x), initial, alive, backward,
                    [&](const OnnxValue& a, const OnnxState& before) {
                      OnnxState after = step(cell, how, w, a, before);
                      after.h = zone_out(before.h, after.h, options.zoneout_hidden);
                      if (after.c.defined()) after.c = zone_out(before.c, after.c, options.zoneout_cell);
                      return after;
                    });
}

#define UNROLL_INSTANTIATE(Cell)                                                                      \
  template OnnxRecurrentOutput scan_onnx(const std::string&, const std::string&, const Cell&,         \
                                         const RecurrentOptions&, const OnnxValue&, const OnnxValue&, \
                                         const OnnxState&, bool);
UNROLL_FOR_ONNX_CELLS(UNROLL_INSTANTIATE)
#undef UNROLL_INSTANTIATE

}  // namespace detail

}  // namespace unroll
