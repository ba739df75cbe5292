// to_onnx for Rnn, Lstm and Gru, with their states as inputs and outputs.
#pragma once

#include <string>
#include <vector>

#include "layers/gru.hpp"
#include "layers/lstm.hpp"
#include "layers/rnn.hpp"
#include "training/onnx/graph.hpp"

namespace unroll {

// The state of one layer in one direction.
struct OnnxState {
  OnnxValue h;  // (B,H), with a projection (B,P)
  OnnxValue c;  // (B,H); only of an Lstm
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

// Adds a recurrent layer to the graph of x (T,B,I), or (B,T,I): ONNX's RNN, LSTM or GRU for every layer, with
// both directions in one node. What these do not support becomes a Scan of simpler operators over the steps:
// projection, layer_norm, zoneout (as in evaluation), gelu, gates other than sigmoid where z updates, and
// everything in double, for which runtimes have no recurrent operators. The graph has no dropout. Throws
// ArgumentError with the layer's name and the option for a custom activation, ShapeError for an x, states or
// lengths of another shape.
template <class S>
OnnxRecurrentOutput to_onnx(const std::string& name, const Rnn<S>& layer, const OnnxValue& x,
                            const OnnxRecurrentInputs& given = {});
template <class S>
OnnxRecurrentOutput to_onnx(const std::string& name, const Lstm<S>& layer, const OnnxValue& x,
                            const OnnxRecurrentInputs& given = {});
template <class S>
OnnxRecurrentOutput to_onnx(const std::string& name, const Gru<S>& layer, const OnnxValue& x,
                            const OnnxRecurrentInputs& given = {});

namespace detail {
template <class Cell>
inline constexpr bool is_onnx_cell = false;
template <class S>
inline constexpr bool is_onnx_cell<RnnCell<S>> = true;
template <class S>
inline constexpr bool is_onnx_cell<LstmCell<S>> = true;
template <class S>
inline constexpr bool is_onnx_cell<GruCell<S>> = true;

[[noreturn]] void throw_onnx_cell(const std::string& name, const char* kind);
}  // namespace detail

// Throws ArgumentError: a custom cell needs its own to_onnx.
template <class Cell>
OnnxRecurrentOutput to_onnx(const std::string& name, const Recurrent<Cell>&, const OnnxValue&,
                            const OnnxRecurrentInputs& = {}) {
  detail::throw_onnx_cell(name, Recurrent<Cell>::kName);
}

// The initial states of recurrent layers: constants in the file (learned states or zeros), inputs, or
// optional inputs that default to the constants.
enum class OnnxStates { inside, inputs, optional_inputs };

// Inputs name.h0_l0, name.c0_l0, name.h0_l0_reverse .. (batch,H) for to_onnx; optional ones may also be
// (1,H). None with OnnxStates::inside.
template <class Cell>
std::vector<OnnxState> state_inputs(OnnxGraph& graph, const std::string& name, const Recurrent<Cell>& layer,
                                    OnnxStates how, const OnnxDim& batch = "batch");
// Outputs name.hn_l0, name.cn_l0 .. for the states that to_onnx returned.
template <class Cell>
void state_outputs(OnnxGraph& graph, const std::string& name, const Recurrent<Cell>& layer,
                   const std::vector<OnnxState>& states);

}  // namespace unroll
