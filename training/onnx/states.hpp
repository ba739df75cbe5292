// The states of a recurrent layer as inputs and outputs of a graph.
#pragma once

#include "training/onnx/recurrent.hpp"

namespace unroll {

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
