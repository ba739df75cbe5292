// to_onnx for recurrent layers, with their states as inputs and outputs.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "layers/recurrent.hpp"
#include "training/onnx/cells.hpp"
#include "training/onnx/graph.hpp"

namespace unroll {

// The state of one layer in one direction.
struct OnnxState {
  OnnxValue h;                         // (B,H), with a projection (B,P)
  std::vector<OnnxValue> others = {};  // (B,..), the cell's other Vars in their order: c of an Lstm
};

// Optional inputs of a recurrent layer.
struct OnnxRecurrentInputs {
  std::vector<OnnxState> states = {};  // initial, ordered as in a call; none: learned ones or zeros
  OnnxValue lengths = {};              // (B) of int32 or int64, 0..T in any order; none: all T
};

// Its result, with the names of RecurrentOutput, so that a generic function takes either.
struct OnnxRecurrentOutput {
  OnnxValue output;               // (T,B,directions*H), or (B,T,..) with batch_first; 0 beyond a length
  std::vector<OnnxState> states;  // after each sequence's own last step
};

// The last layer's final hidden state (B,H), or (B,2H) of both directions, as last() of a RecurrentOutput.
// Throws ArgumentError for a result without states, ShapeError for one whose output was changed.
OnnxValue last(const OnnxRecurrentOutput& result);

namespace detail {

// What export needs to know of one layer in one direction.
template <class S>
struct OnnxCellOf {
  const char* kind;
  std::string suffix = {};              // "_l0_reverse"
  std::vector<std::string> parts = {};  // names of the state's Vars
  std::size_t hidden = 0;               // the position of h among them
  std::vector<Var<S>> initial = {};     // (1,..) each
  Index input_size = 0, hidden_size = 0;
  std::vector<std::pair<std::string, Var<S>>> parameters = {};  // of the cell, by their names in it
  std::optional<OnnxOperator> as_operator = std::nullopt;       // if ONNX's recurrent operators have the cell
  std::function<CompiledStep<S>()> compile = {};
};
template <class S>
struct OnnxLayer {
  const char* kind;
  RecurrentOptions options;
  bool learned;  // initial states
  std::size_t directions;
  std::vector<OnnxCellOf<S>> cells = {};
};

// A state's values in the cell's order, and back.
std::vector<OnnxValue> list_of(const OnnxState& state, std::size_t hidden);
OnnxState state_of(std::vector<OnnxValue> list, std::size_t hidden);

template <class Cell, class S = scalar_t<Cell>>
OnnxLayer<S> describe(const Recurrent<Cell>& layer) {
  OnnxLayer<S> result{Recurrent<Cell>::kName, layer.options(), !layer.learned_states().empty(),
                      layer.directions()};
  for (std::size_t k = 0; k < layer.cells().size(); ++k) {
    const Cell& cell = layer.cells()[k];
    OnnxCellOf<S> of{.kind = result.kind};
    of.suffix = "_l" + std::to_string(k / result.directions) + (k % result.directions == 1 ? "_reverse" : "");
    const state_t<Cell> begin = result.learned ? layer.learned_states()[k] : zero_state(cell, 1);
    for_each_named_in_state(begin, [&](const std::string& part, const Var<S>& var) {
      of.parts.push_back(part);
      of.initial.push_back(var);
    });
    of.hidden = hidden_index(begin);
    of.input_size = static_cast<Index>(cell.options.input);
    of.hidden_size = static_cast<Index>(cell.options.hidden);
    for_each_parameter(
        cell, [&](const std::string& name, const Var<S>& var) { of.parameters.emplace_back(name, var); });
    if constexpr (requires { onnx_operator(cell.options); }) {
      const bool plain = layer.options().zoneout_hidden == 0.0 && layer.options().zoneout_cell == 0.0;
      if (std::is_same_v<S, float> && plain) of.as_operator = onnx_operator(cell.options);
    }
    of.compile = [&cell, options = layer.options()] { return compile_for_inference(cell, options); };
    result.cells.push_back(std::move(of));
  }
  return result;
}

template <class S>
OnnxRecurrentOutput export_layer(const std::string& name, const OnnxLayer<S>& layer, OnnxValue x,
                                 const OnnxRecurrentInputs& given);

}  // namespace detail

// Adds a recurrent layer of any cell to the graph of x (T,B,I), or (B,T,I). An Rnn, Lstm or Gru becomes
// ONNX's operator of that name, with both directions in one node. Everything else becomes a Scan over the
// steps, of the ops that the cell's step is traced to: custom cells and activations, Mgu, projection,
// layer_norm, zoneout (as in evaluation), gates other than sigmoid where z updates, and everything in double,
// for which runtimes have no recurrent operators. The graph has no dropout. Throws ArgumentError with the
// layer's name and the reason for a step that is no program, or an op that ONNX has not; ShapeError for an x,
// states or lengths of another shape.
template <class Cell>
OnnxRecurrentOutput to_onnx(const std::string& name, const Recurrent<Cell>& layer, const OnnxValue& x,
                            const OnnxRecurrentInputs& given = {}) {
  return detail::export_layer(name, detail::describe(layer), x, given);
}

// The initial states of recurrent layers: constants in the file (learned states or zeros), inputs, or
// optional inputs that default to the constants.
enum class OnnxStates { inside, inputs, optional_inputs };

namespace detail {
template <class S>
std::vector<OnnxState> state_inputs(OnnxGraph& graph, const std::string& name, const OnnxLayer<S>& layer,
                                    OnnxStates how, const OnnxDim& batch);
template <class S>
void state_outputs(OnnxGraph& graph, const std::string& name, const OnnxLayer<S>& layer,
                   const std::vector<OnnxState>& states);
}  // namespace detail

// Inputs name.h0_l0, name.c0_l0, name.h0_l0_reverse .. (batch,H) for to_onnx; optional ones may also be
// (1,H). None with OnnxStates::inside.
template <class Cell>
std::vector<OnnxState> state_inputs(OnnxGraph& graph, const std::string& name, const Recurrent<Cell>& layer,
                                    OnnxStates how, const OnnxDim& batch = "batch") {
  return detail::state_inputs(graph, name, detail::describe(layer), how, batch);
}
// Outputs name.hn_l0, name.cn_l0 .. for the states that to_onnx returned.
template <class Cell>
void state_outputs(OnnxGraph& graph, const std::string& name, const Recurrent<Cell>& layer,
                   const std::vector<OnnxState>& states) {
  detail::state_outputs(graph, name, detail::describe(layer), states);
}

}  // namespace unroll
