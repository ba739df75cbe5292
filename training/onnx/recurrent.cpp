#include "training/onnx/recurrent.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "framework/errors.hpp"
#include "training/onnx/cells.hpp"
#include "training/onnx/ops.hpp"
#include "training/onnx/scan.hpp"

namespace unroll {
namespace {

// The blocks of `from` (blocks*H, ..) in ONNX's order, into the memory from `to` on.
template <class S>
S* take_rows(const Tensor<S>* from, const std::vector<detail::OnnxRows>& rows, std::size_t block, S* to) {
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

template <class S>
const Tensor<S>* value_or_null(const Var<S>& var) {
  return var.defined() ? &var.value() : nullptr;
}

// What all layers of a recurrent layer share.
struct Sequence {
  OnnxGraph graph;
  OnnxValue lengths;  // int32 (B), or undefined
  OnnxValue alive;    // (T,B,1): made when a Scan needs it
  OnnxDim time, batch;
};

// One layer as one of ONNX's operators; initial: one state for each direction, or none.
template <class Cell>
OnnxRecurrentOutput operator_layer(Sequence& s, const std::string& name, const detail::OnnxCell& how,
                                   const Cell* cells, std::size_t directions, const OnnxValue& x,
                                   const std::vector<OnnxState>& initial) {
  using S = scalar_t<Cell>;
  const auto hidden = static_cast<std::size_t>(cells[0].options.hidden),
             input = static_cast<std::size_t>(cells[0].options.input);
  const std::size_t rows = how.rows.size() * hidden;
  Tensor<S> w = zeros<S>({directions, rows, input}), r = zeros<S>({directions, rows, hidden});
  Tensor<S> b = zeros<S>({directions, 2 * rows}),
            p = zeros<S>({directions, how.peephole_rows.size() * hidden});
  S *w_at = w.data(), *r_at = r.data(), *b_at = b.data(), *p_at = p.data();
  bool has_bias = false, has_peepholes = false;
  for (std::size_t d = 0; d < directions; ++d) {
    const Cell& cell = cells[d];
    w_at = take_rows(value_or_null(cell.weight_ih), how.rows, hidden * input, w_at);
    r_at = take_rows(value_or_null(cell.weight_hh), how.rows, hidden * hidden, r_at);
    b_at = take_rows(value_or_null(cell.bias_ih), how.rows, hidden, b_at);
    b_at = take_rows(value_or_null(cell.bias_hh), how.rows, hidden, b_at);
    has_bias = has_bias || cell.bias_ih.defined();
    if constexpr (requires { cell.weight_ch; }) {
      p_at = take_rows(value_or_null(cell.weight_ch), how.peephole_rows, hidden, p_at);
      has_peepholes = has_peepholes || cell.weight_ch.defined();
    }
  }

  const auto both = [&](OnnxValue OnnxState::*part) {
    std::vector<OnnxValue> list;
    for (const OnnxState& state : initial) {
      if ((state.*part).defined()) list.push_back(unsqueeze(state.*part, 0));
    }
    return list.empty() ? OnnxValue() : concat(list, 0);
  };
  OnnxNode node{how.op,
                {x, s.graph.constant(name + ".W", w), s.graph.constant(name + ".R", r),
                 has_bias ? s.graph.constant(name + ".B", b) : OnnxValue(), s.lengths, both(&OnnxState::h)},
                how.attributes,
                name};
  const bool has_cell = std::is_same_v<Cell, LstmCell<S>>;
  if (has_cell) {
    node.inputs.push_back(both(&OnnxState::c));
    node.inputs.push_back(has_peepholes ? s.graph.constant(name + ".P", p) : OnnxValue());
  }
  std::vector<std::string> functions;
  std::vector<double> alpha, beta;
  for (std::size_t d = 0; d < directions; ++d) {
    for (const detail::OnnxActivation& f : how.functions) {
      functions.push_back(f.op);
      alpha.insert(alpha.end(), f.alpha.begin(), f.alpha.end());
      beta.insert(beta.end(), f.beta.begin(), f.beta.end());
    }
  }
  node.attributes.emplace("activations", functions);
  if (!alpha.empty()) node.attributes.emplace("activation_alpha", alpha);
  if (!beta.empty()) node.attributes.emplace("activation_beta", beta);
  node.attributes.emplace("hidden_size", cells[0].options.hidden);
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
    // The standard does not say what the final state of an empty sequence is: onnxruntime makes it 0, here it
    // is the initial one.
    const auto final_state = [&](const OnnxValue& all, OnnxValue OnnxState::*part) {
      const OnnxValue state = select(all, 0, static_cast<Index>(d));
      if (!s.lengths.defined() || initial.empty() || !(initial[d].*part).defined()) return state;
      const OnnxValue some = unsqueeze(less(s.graph.scalar(0, OnnxType::int32), s.lengths), 1);
      return where(some, state, initial[d].*part);
    };
    result.states.push_back(
        {final_state(made[1], &OnnxState::h), has_cell ? final_state(made[2], &OnnxState::c) : OnnxValue()});
  }
  return result;
}

template <class Cell>
OnnxRecurrentOutput export_layer(const std::string& name, const Recurrent<Cell>& layer, OnnxValue x,
                                 const OnnxRecurrentInputs& given) {
  using S = scalar_t<Cell>;
  const char* kind = Recurrent<Cell>::kName;
  const RecurrentOptions& options = layer.options();
  const std::size_t directions = layer.directions();
  const OnnxType type = onnx_type<S>();
  const auto fail = [&](const std::string& what) {
    throw ShapeError(fmt::format("[export_onnx] layer '{}' ({}) {}", name, kind, what));
  };
  if (!x.defined() || x.type() != type || x.rank() != 3 || !(x.shape()[2] == OnnxDim(layer.input_size()))) {
    fail(fmt::format("input: expected ({},{}) of the layer's scalar type, got {}",
                     options.batch_first ? "batch,time" : "time,batch", layer.input_size(),
                     x.defined() ? to_string(x.shape()) : "none"));
  }
  if (options.batch_first) x = permute(x, {1, 0, 2});
  Sequence s{OnnxGraph::of("to_onnx", {x}), given.lengths, {}, x.shape()[0], x.shape()[1]};
  if (s.lengths.defined()) {
    const bool whole = s.lengths.type() == OnnxType::int32 || s.lengths.type() == OnnxType::int64;
    if (!whole || !(s.lengths.shape() == OnnxShape{s.batch}))
      fail(fmt::format("lengths: expected ({}) of int32, got {}", s.batch.fixed() ? "B" : s.batch.name,
                       to_string(s.lengths.shape())));
    s.lengths = detail::cast_onnx(s.lengths, OnnxType::int32);
  }

  std::map<std::string, Var<S>> learned;
  for_each_parameter(layer, [&](const std::string& n, const Var<S>& var) { learned.emplace(n, var); });
  if (!given.states.empty() && given.states.size() != layer.cells().size()) {
    fail(fmt::format("states: expected {} (one for each layer and direction), got {}", layer.cells().size(),
                     given.states.size()));
  }
  // The state that layer and direction k begins in; undefined for zeros unless `always`.
  const auto initial = [&](std::size_t k, const std::string& suffix, bool always) {
    OnnxState state = given.states.empty() ? OnnxState() : given.states[k];
    auto zero = zero_state(layer.cells()[k], 1);
    for_each_named_in_state(zero, [&](const std::string& part, const Var<S>& zeros) {
      OnnxValue& v = part == "h" ? state.h : state.c;
      const std::string parameter = part + "0" + suffix;
      if (given.states.empty()) {
        const auto found = learned.find(parameter);
        if (found == learned.end() && !always) return;
        v = s.graph.constant(detail::join_names(name, parameter),
                             found == learned.end() ? zeros.value() : found->second.value());
      }
      if (!v.defined() || v.type() != type || v.rank() != 2 || !(v.shape()[1] == OnnxDim(zeros.shape(1)))) {
        fail(fmt::format("states[{}].{}: expected ({},{}), got {}", k, part, to_string(OnnxShape{s.batch}),
                         zeros.shape(1), v.defined() ? to_string(v.shape()) : "none"));
      }
      v = detail::for_batch_of(x, v);
    });
    return state;
  };

  OnnxRecurrentOutput result{x, {}};
  for (std::size_t l = 0; l < static_cast<std::size_t>(options.layers); ++l) {
    const Cell* cells = &layer.cells()[l * directions];
    const detail::OnnxCell how = detail::onnx_cell(name, cells[0].options);
    const std::string suffix = "_l" + std::to_string(l);
    OnnxRecurrentOutput made;
    if (how.native && std::is_same_v<S, float> && options.zoneout_hidden == 0.0 &&
        options.zoneout_cell == 0.0) {
      std::vector<OnnxState> begin;
      for (std::size_t d = 0; d < directions; ++d)
        begin.push_back(initial(l * directions + d, suffix + (d == 1 ? "_reverse" : ""), false));
      made = operator_layer(s, detail::join_names(name, suffix.substr(1)), how, cells, directions,
                            result.output, begin);
    } else {
      if (s.lengths.defined() && !s.alive.defined()) s.alive = detail::alive_steps(x, s.lengths);
      std::vector<OnnxValue> halves;
      for (std::size_t d = 0; d < directions; ++d) {
        const std::string full_suffix = suffix + (d == 1 ? "_reverse" : "");
        const OnnxState begin = initial(l * directions + d, full_suffix, true);
        auto half =
            detail::scan_onnx(name, full_suffix, cells[d], options, result.output, s.alive, begin, d == 1);
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

}  // namespace

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

template <class S>
OnnxRecurrentOutput to_onnx(const std::string& name, const Rnn<S>& layer, const OnnxValue& x,
                            const OnnxRecurrentInputs& given) {
  return export_layer(name, layer, x, given);
}
template <class S>
OnnxRecurrentOutput to_onnx(const std::string& name, const Lstm<S>& layer, const OnnxValue& x,
                            const OnnxRecurrentInputs& given) {
  return export_layer(name, layer, x, given);
}
template <class S>
OnnxRecurrentOutput to_onnx(const std::string& name, const Gru<S>& layer, const OnnxValue& x,
                            const OnnxRecurrentInputs& given) {
  return export_layer(name, layer, x, given);
}

namespace detail {

void throw_onnx_cell(const std::string& name, const char* kind) {
  throw ArgumentError(
      fmt::format("[export_onnx] layer '{}' ({}) cell: expected that of an Rnn, Lstm or Gru, got a custom "
                  "one, which ONNX does not know (define to_onnx(name, layer, x) for it)",
                  name, kind));
}

}  // namespace detail

#define UNROLL_INSTANTIATE(S)                                                                \
  template OnnxRecurrentOutput to_onnx(const std::string&, const Rnn<S>&, const OnnxValue&,  \
                                       const OnnxRecurrentInputs&);                          \
  template OnnxRecurrentOutput to_onnx(const std::string&, const Lstm<S>&, const OnnxValue&, \
                                       const OnnxRecurrentInputs&);                          \
  template OnnxRecurrentOutput to_onnx(const std::string&, const Gru<S>&, const OnnxValue&,  \
                                       const OnnxRecurrentInputs&);
UNROLL_INSTANTIATE(float)
UNROLL_INSTANTIATE(double)
#undef UNROLL_INSTANTIATE

namespace {

// Calls f(index of the state, "h" or "c", "_l0_reverse", the Var (1,H) that it begins as).
template <class Cell, class F>
void for_each_part(const Recurrent<Cell>& layer, F&& f) {
  using S = scalar_t<Cell>;
  std::map<std::string, Var<S>> learned;
  for_each_parameter(layer, [&](const std::string& name, const Var<S>& var) { learned.emplace(name, var); });
  for (std::size_t k = 0; k < layer.cells().size(); ++k) {
    const std::string suffix =
        "_l" + std::to_string(k / layer.directions()) + (k % layer.directions() == 1 ? "_reverse" : "");
    auto zero = zero_state(layer.cells()[k], 1);
    for_each_named_in_state(zero, [&](const std::string& part, const Var<S>& var) {
      const auto found = learned.find(part + "0" + suffix);
      f(k, part, suffix, found == learned.end() ? var : found->second);
    });
  }
}

OnnxValue& part_of(OnnxState& state, const std::string& part) { return part == "h" ? state.h : state.c; }

}  // namespace

template <class Cell>
std::vector<OnnxState> state_inputs(OnnxGraph& graph, const std::string& name, const Recurrent<Cell>& layer,
                                    OnnxStates how, const OnnxDim& batch) {
  using S = scalar_t<Cell>;
  if (how == OnnxStates::inside) return {};
  std::vector<OnnxState> states(layer.cells().size());
  for_each_part(
      layer, [&](std::size_t k, const std::string& part, const std::string& suffix, const Var<S>& begin) {
        const std::string input = detail::join_names(name, part + "0" + suffix);
        const std::string doc = "initial " + part + ", one row for each sequence";
        // Declared with a batch of its own: left out it has one row.
        part_of(states[k], part) =
            how == OnnxStates::inputs
                ? graph.input(input, onnx_type<S>(), {batch, begin.shape(1)}, doc)
                : graph.optional_input(input, begin.value(),
                                       batch.name.empty() ? "batch_or_1" : batch.name + "_or_1", doc);
      });
  return states;
}

template <class Cell>
void state_outputs(OnnxGraph& graph, const std::string& name, const Recurrent<Cell>& layer,
                   const std::vector<OnnxState>& states) {
  using S = scalar_t<Cell>;
  std::vector<OnnxState> list = states;
  for_each_part(layer, [&](std::size_t k, const std::string& part, const std::string& suffix, const Var<S>&) {
    graph.output(detail::join_names(name, part + "n" + suffix), part_of(list.at(k), part),
                 "final " + part + ", after each sequence's own last step");
  });
}

#define UNROLL_INSTANTIATE(Cell)                                                                       \
  template std::vector<OnnxState> state_inputs(OnnxGraph&, const std::string&, const Recurrent<Cell>&, \
                                               OnnxStates, const OnnxDim&);                            \
  template void state_outputs(OnnxGraph&, const std::string&, const Recurrent<Cell>&,                  \
                              const std::vector<OnnxState>&);
UNROLL_FOR_ONNX_CELLS(UNROLL_INSTANTIATE)
#undef UNROLL_INSTANTIATE

}  // namespace unroll
