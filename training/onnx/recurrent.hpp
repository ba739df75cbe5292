// to_onnx for Rnn, Lstm and Gru.
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
  OnnxValue c;  // (B,H); of an Lstm alone
};

// What a recurrent layer may be given beside x.
struct OnnxRecurrentInputs {
  std::vector<OnnxState> states = {};  // initial, ordered as in a call; none: learned ones, or zeros
  OnnxValue lengths = {};              // (B) of int32 or int64, 0..T in any order; none: all T
};

// What it gives, with the names of RecurrentOutput, so that a generic function takes either.
struct OnnxRecurrentOutput {
  OnnxValue output;               // (T,B,directions*H), or (B,T,..) with batch_first; 0 beyond a length
  std::vector<OnnxState> states;  // after each sequence's own last step
};

// The last layer's final hidden state (B,H), of both directions (B,2H), as last() of a RecurrentOutput.
// Throws ArgumentError for a result without states, ShapeError for one whose output has been changed.
OnnxValue last(const OnnxRecurrentOutput& result);

// Adds a recurrent layer to the graph of x (T,B,I), or (B,T,I): ONNX's RNN, LSTM or GRU for every layer, both
// directions in one node. What those operators have not is a Scan over the steps, made of simpler operators:
// projection, layer_norm, zoneout (as it is in evaluation), gelu, other gates than sigmoid where z updates,
// and all of it in double, for which runtimes have no recurrent operators. Dropout of any kind does nothing
// in evaluation and is not in the graph. Throws ArgumentError with the layer's name and the option for an
// activation of one's own, ShapeError for an x, states or lengths of another shape.
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

// Throws ArgumentError: what a cell of one's own computes is not known to ONNX.
template <class Cell>
OnnxRecurrentOutput to_onnx(const std::string& name, const Recurrent<Cell>&, const OnnxValue&,
                            const OnnxRecurrentInputs& = {}) {
  detail::throw_onnx_cell(name, Recurrent<Cell>::kName);
}

// Where a model's recurrent layers begin: at what is part of the file (learned states, or zeros); at inputs
// that a run must give; or at inputs that it may leave out, and then as in the first case.
enum class OnnxStates { inside, inputs, optional_inputs };

// Inputs name.h0_l0, name.c0_l0, name.h0_l0_reverse .. of shape (batch,H), to be given to to_onnx. An
// optional one may also be of shape (1,H), which serves the whole batch. None with OnnxStates::inside.
template <class Cell>
std::vector<OnnxState> state_inputs(OnnxGraph& graph, const std::string& name, const Recurrent<Cell>& layer,
                                    OnnxStates how, const OnnxDim& batch = "batch");
// Outputs name.hn_l0, name.cn_l0 .. for the states that to_onnx has returned.
template <class Cell>
void state_outputs(OnnxGraph& graph, const std::string& name, const Recurrent<Cell>& layer,
                   const std::vector<OnnxState>& states);

}  // namespace unroll
