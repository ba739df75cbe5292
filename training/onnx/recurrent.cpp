#include "training/onnx/recurrent.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <span>
#include <utility>

#include "framework/errors.hpp"
#include "training/onnx/ops.hpp"
#include "training/onnx/program.hpp"
#include "training/onnx/scan.hpp"

namespace unroll {
namespace detail {
namespace {

// The blocks of `from` (blocks*H, ..) in ONNX's order, into the memory from `to` on.
template <class S>
S* take_rows(const Tensor<S>* from, const std::vector<OnnxRows>& rows, std::size_t block, S* to) {
  for (const auto& [index, factor] : rows) {
    if (from == nullptr || index < 0) {
      std::fill_n(to, block, S(0));
    } else {
      const S* source = from->data() + static_cast<std::size_t>(index) * block;
      std::transform(source, source + block, to, [f = static_cast<S>(factor)](S v) { return f * v; });
    }
    to += block;
  }
  return to;
}

// What all layers of a recurrent layer share.
struct Sequence {
  OnnxGraph graph;
  OnnxValue lengths;  // int32 (B), or undefined
  OnnxValue alive;    // (T,B,1): made when a Scan needs it
  OnnxDim time, batch;
};

template <class S>
const Tensor<S>* find_parameter(const OnnxCellOf<S>& cell, const char* name) {
  for (const auto& [member, var] : cell.parameters) {
    if (member == name) return &var.value();
  }
  return nullptr;
}

// One layer as one of ONNX's operators; cells and initial: one for each direction, or no initial ones.
template <class S>
OnnxRecurrentOutput operator_layer(Sequence& s, const std::string& name, std::span<const OnnxCellOf<S>> cells,
                                   const OnnxValue& x, const std::vector<OnnxState>& initial) {
  const OnnxOperator& how = *cells[0].as_operator;
  const std::size_t directions = cells.size();
  const auto hidden = static_cast<std::size_t>(cells[0].hidden_size),
             input = static_cast<std::size_t>(cells[0].input_size);
  const std::size_t rows = how.rows.size() * hidden;
  Tensor<S> w = zeros<S>({directions, rows, input}), r = zeros<S>({directions, rows, hidden});
  Tensor<S> b = zeros<S>({directions, 2 * rows}),
            p = zeros<S>({directions, how.peephole_rows.size() * hidden});
  S *w_at = w.data(), *r_at = r.data(), *b_at = b.data(), *p_at = p.data();
  bool has_bias = false, has_peepholes = false;
  for (const OnnxCellOf<S>& cell : cells) {
    const auto* bias_ih = find_parameter(cell, "bias_ih");
    const auto* weight_ch = find_parameter(cell, "weight_ch");
    w_at = take_rows(find_parameter(cell, "weight_ih"), how.rows, hidden * input, w_at);
    r_at = take_rows(find_parameter(cell, "weight_hh"), how.rows, hidden * hidden, r_at);
    b_at = take_rows(bias_ih, how.rows, hidden, b_at);
    b_at = take_rows(find_parameter(cell, "bias_hh"), how.rows, hidden, b_at);
    p_at = take_rows(weight_ch, how.peephole_rows, hidden, p_at);
    has_bias = has_bias || bias_ih != nullptr;
    has_peepholes = has_peepholes || weight_ch != nullptr;
  }

  const auto both = [&](std::size_t part) {
    std::vector<OnnxValue> list;
    for (const OnnxState& state : initial) {
      const OnnxValue value = list_of(state, 0).at(part);
      if (value.defined()) list.push_back(unsqueeze(value, 0));
    }
    return list.empty() ? OnnxValue() : concat(list, 0);
  };
  OnnxNode node{how.op,
                {x, s.graph.constant(name + ".W", w), s.graph.constant(name + ".R", r),
                 has_bias ? s.graph.constant(name + ".B", b) : OnnxValue(), s.lengths, both(0)},
                how.attributes,
                name};
  const bool has_cell = cells[0].parts.size() == 2;
  if (has_cell) {
    node.inputs.push_back(both(1));
    node.inputs.push_back(has_peepholes ? s.graph.constant(name + ".P", p) : OnnxValue());
  }
  std::vector<std::string> functions;
  std::vector<double> alpha, beta;
  for (std::size_t d = 0; d < directions; ++d) {
    for (const OnnxActivation& f : how.functions) {
      functions.push_back(f.op);
      alpha.insert(alpha.end(), f.alpha.begin(), f.alpha.end());
      beta.insert(beta.end(), f.beta.begin(), f.beta.end());
    }
  }
  node.attributes.emplace("activations", functions);
  if (!alpha.empty()) node.attributes.emplace("activation_alpha", alpha);
  if (!beta.empty()) node.attributes.emplace("activation_beta", beta);
  node.attributes.emplace("hidden_size", cells[0].hidden_size);
  node.attributes.emplace("direction", std::string(directions == 2 ? "bidirectional" : "forward"));

  const OnnxType type = onnx_type<S>();
  const OnnxShape state_shape{directions, s.batch, hidden};
  std::vector<std::pair<OnnxType, OnnxShape>> outputs{{type, {s.time, directions, s.batch, hidden}},
                                                      {type, state_shape}};
  if (has_cell) outputs.push_back({type, state_shape});
  const std::vector<OnnxValue> made = s.graph.node(node, outputs);

  OnnxRecurrentOutput result;
  if (directions == 1) {
    result.output = squeeze(made[0], {1});
  } else {
    const auto both_halves = static_cast<Index>(2 * hidden);
    // 0 stands for the size that is there.
    result.output =
        s.graph.node({"Reshape", {permute(made[0], {0, 2, 1, 3}), s.graph.integers({0, 0, both_halves})}},
                     type, {s.time, s.batch, both_halves});
  }
  for (std::size_t d = 0; d < directions; ++d) {
    std::vector<OnnxValue> parts;
    for (std::size_t k = 0; k < cells[d].parts.size(); ++k) {
      const OnnxValue state = select(made[1 + k], 0, static_cast<Index>(d));
      const OnnxValue begin = initial.empty() ? OnnxValue() : list_of(initial[d], 0).at(k);
      // The standard does not say what the final state of an empty sequence is: onnxruntime makes it 0, here
      // it is the initial one.
      const bool differs = s.lengths.defined() && begin.defined();
      parts.push_back(
          differs ? where(unsqueeze(less(s.graph.scalar(0, OnnxType::int32), s.lengths), 1), state, begin)
                  : state);
    }
    result.states.push_back(state_of(std::move(parts), 0));
  }
  return result;
}

}  // namespace

std::vector<OnnxValue> list_of(const OnnxState& state, std::size_t hidden) {
  std::vector<OnnxValue> list = state.others;
  list.insert(list.begin() + static_cast<std::ptrdiff_t>(std::min(hidden, list.size())), state.h);
  return list;
}

OnnxState state_of(std::vector<OnnxValue> list, std::size_t hidden) {
  OnnxState state{list.at(hidden)};
  list.erase(list.begin() + static_cast<std::ptrdiff_t>(hidden));
  state.others = std::move(list);
  return state;
}

template <class S>
OnnxRecurrentOutput export_layer(const std::string& name, const OnnxLayer<S>& layer, OnnxValue x,
                                 const OnnxRecurrentInputs& given) {
  const RecurrentOptions& options = layer.options;
  const OnnxType type = onnx_type<S>();
  const auto fail = [&](const std::string& what) {
    throw ShapeError(fmt::format("[export_onnx] layer '{}' ({}) {}", name, layer.kind, what));
  };
  if (layer.cells.empty()) {
    throw ArgumentError(fmt::format(
        "[export_onnx] layer '{}' ({}): expected one with cells, got an empty one", name, layer.kind));
  }
  const OnnxDim input(layer.cells.front().input_size);
  if (!x.defined() || x.type() != type || x.rank() != 3 || !(x.shape()[2] == input)) {
    fail(fmt::format("input: expected ({},{}) of the layer's scalar type, got {}",
                     options.batch_first ? "batch,time" : "time,batch", input.size,
                     x.defined() ? to_string(x.shape()) : "none"));
  }
  if (options.batch_first) x = permute(x, {1, 0, 2});
  Sequence s{OnnxGraph::of("to_onnx", {x}), given.lengths, {}, x.shape()[0], x.shape()[1]};
  if (s.lengths.defined()) {
    const bool whole = s.lengths.type() == OnnxType::int32 || s.lengths.type() == OnnxType::int64;
    if (!whole || !(s.lengths.shape() == OnnxShape{s.batch}))
      fail(fmt::format("lengths: expected ({}) of int32, got {}", s.batch.fixed() ? "B" : s.batch.name,
                       to_string(s.lengths.shape())));
    s.lengths = cast_onnx(s.lengths, OnnxType::int32);
  }
  if (!given.states.empty() && given.states.size() != layer.cells.size()) {
    fail(fmt::format("states: expected {} (one for each layer and direction), got {}", layer.cells.size(),
                     given.states.size()));
  }
  // The state that layer and direction k begins in; undefined for zeros unless `always`.
  const auto initial = [&](std::size_t k, bool always) {
    const OnnxCellOf<S>& cell = layer.cells[k];
    std::vector<OnnxValue> list(cell.parts.size());
    if (!given.states.empty()) {
      list = list_of(given.states[k], cell.hidden);
      list.resize(cell.parts.size());
    }
    for (std::size_t part = 0; part < list.size(); ++part) {
      OnnxValue& v = list[part];
      if (given.states.empty()) {
        if (!layer.learned && !always) continue;
        v = s.graph.constant(join_names(name, cell.parts[part] + "0" + cell.suffix),
                             cell.initial[part].value());
      }
      const std::size_t width = cell.initial[part].shape(1);
      if (!v.defined() || v.type() != type || v.rank() != 2 || !(v.shape()[1] == OnnxDim(width))) {
        fail(fmt::format("states[{}].{}: expected ({},{}), got {}", k, cell.parts[part],
                         to_string(OnnxShape{s.batch}), width, v.defined() ? to_string(v.shape()) : "none"));
      }
      v = for_batch_of(x, v);
    }
    return state_of(std::move(list), cell.hidden);
  };

  OnnxRecurrentOutput result{x, {}};
  for (std::size_t first = 0; first < layer.cells.size(); first += layer.directions) {
    const std::span cells(&layer.cells[first], layer.directions);
    OnnxRecurrentOutput made;
    if (cells[0].as_operator) {
      std::vector<OnnxState> begin;
      for (std::size_t d = 0; d < cells.size(); ++d) begin.push_back(initial(first + d, false));
      made = operator_layer(s, join_names(name, cells[0].suffix.substr(1)), cells, result.output, begin);
    } else {
      if (s.lengths.defined() && !s.alive.defined()) s.alive = alive_steps(x, s.lengths);
      std::vector<OnnxValue> halves;
      for (std::size_t d = 0; d < cells.size(); ++d) {
        auto half = scan_program(cells[d], name, result.output, s.alive, initial(first + d, true), d == 1);
        halves.push_back(half.output);
        made.states.push_back(half.states[0]);
      }
      made.output = concat(halves, -1);
    }
    result.output = made.output;
    result.states.insert(result.states.end(), made.states.begin(), made.states.end());
  }
  if (options.batch_first) result.output = permute(result.output, {1, 0, 2});
  return result;
}

template <class S>
std::vector<OnnxState> state_inputs(OnnxGraph& graph, const std::string& name, const OnnxLayer<S>& layer,
                                    OnnxStates how, const OnnxDim& batch) {
  std::vector<OnnxState> states;
  if (how == OnnxStates::inside) return states;
  for (const OnnxCellOf<S>& cell : layer.cells) {
    std::vector<OnnxValue> list;
    for (std::size_t part = 0; part < cell.parts.size(); ++part) {
      const Var<S>& begin = cell.initial[part];
      const std::string input = join_names(name, cell.parts[part] + "0" + cell.suffix);
      const std::string doc = "initial " + cell.parts[part] + ", one row for each sequence";
      // Declared with a batch of its own: left out it has one row.
      list.push_back(how == OnnxStates::inputs
                         ? graph.input(input, onnx_type<S>(), {batch, begin.shape(1)}, doc)
                         : graph.optional_input(input, begin.value(),
                                                batch.name.empty() ? "batch_or_1" : batch.name + "_or_1",
                                                doc));
    }
    states.push_back(state_of(std::move(list), cell.hidden));
  }
  return states;
}

template <class S>
void state_outputs(OnnxGraph& graph, const std::string& name, const OnnxLayer<S>& layer,
                   const std::vector<OnnxState>& states) {
  for (std::size_t k = 0; k < layer.cells.size(); ++k) {
    const OnnxCellOf<S>& cell = layer.cells[k];
    const std::vector<OnnxValue> list = list_of(states.at(k), cell.hidden);
    for (std::size_t part = 0; part < cell.parts.size(); ++part) {
      graph.output(join_names(name, cell.parts[part] + "n" + cell.suffix), list.at(part),
                   "final " + cell.parts[part] + ", after each sequence's own last step");
    }
  }
}

#define UNROLL_INSTANTIATE(S)                                                                       \
  template OnnxRecurrentOutput export_layer(const std::string&, const OnnxLayer<S>&, OnnxValue,     \
                                            const OnnxRecurrentInputs&);                            \
  template std::vector<OnnxState> state_inputs(OnnxGraph&, const std::string&, const OnnxLayer<S>&, \
                                               OnnxStates, const OnnxDim&);                         \
  template void state_outputs(OnnxGraph&, const std::string&, const OnnxLayer<S>&,                  \
                              const std::vector<OnnxState>&);
UNROLL_INSTANTIATE(float)
UNROLL_INSTANTIATE(double)
#undef UNROLL_INSTANTIATE

}  // namespace detail

OnnxValue last(const OnnxRecurrentOutput& result) {
  if (result.states.empty() || !result.states.back().h.defined() || !result.output.defined()) {
    throw ArgumentError(
        "[last] result: expected what to_onnx() or scan() returns for a recurrent layer, got an empty one");
  }
  const OnnxValue& h = result.states.back().h;
  const OnnxDim features = result.output.rank() > 0 ? result.output.shape().back() : OnnxDim(0),
                &size = h.shape().back();
  if (features == size) return h;
  if (result.states.size() % 2 == 0 && features.fixed() && size.fixed() && features.size == 2 * size.size)
    return concat({result.states[result.states.size() - 2].h, h}, 1);
  throw ShapeError(
      fmt::format("[last] result: expected an output with once or twice the features of the final h, got {} "
                  "and {} (an output that has been changed?)",
                  to_string(result.output.shape()), to_string(h.shape())));
}

}  // namespace unroll
