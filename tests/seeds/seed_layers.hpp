// The library's recurrent layers, made from weights in the layouts that the seeds use.
//
// A seed keeps one matrix per gate, as (in,out) for row vectors or (out,in) for column vectors, sometimes the
// weights of state and input in one matrix. The layers here take PyTorch's stacked ones. The conversions are
// ops, so that the gradients come back in the seed's own layout.
#pragma once

#include <vector>

#include "layers/gru.hpp"
#include "layers/lstm.hpp"
#include "layers/rnn.hpp"

namespace unroll::seeds {

// One gate: of the input (H,I), of the state (H,H), and the bias (H).
struct GateWeights {
  Var<double> input, state, bias;
};

// A gate kept for row vectors: x W + h U + b with W (I,H), U (H,H), b (H).
GateWeights gate_from_rows(const Var<double>& w, const Var<double>& u, const Var<double>& b);
// A gate kept for column vectors: W x + U h + b with W (H,I), U (H,H), b (H,1).
GateWeights gate_from_columns(const Var<double>& w, const Var<double>& u, const Var<double>& b);
// The same with both weights in one matrix, W [h; x] + b with W (H,H+I).
GateWeights gate_from_joined_columns(const Var<double>& w, const Var<double>& b);

// A tanh RNN.
Rnn<double> make_rnn(const GateWeights& weights, RecurrentOptions options);
// An LSTM from its gates, c = tanh candidate.
struct LstmGates {
  GateWeights f, i, o, c;
};
Lstm<double> make_lstm(const LstmGates& gates, RecurrentOptions options);
// A GRU from its gates. candidate_state_bias (H) is added to U h inside the reset gate's product (reset after
// only).
struct GruGates {
  GateWeights z, r, h;
  Var<double> candidate_state_bias = {};
};
Gru<double> make_gru(const GruGates& gates, GruReset reset, GruUpdate update, RecurrentOptions options);

// (features,examples,T) as the seeds keep sequences of columns <-> (T,examples,features): its own inverse.
Var<double> swap_columns_and_steps(const Var<double>& x);

// c after every step (T,B,H) of a one-layer LSTM whose input is x (T,B,I): by cell.step(), or what the kernel
// keeps.
Tensor<double> cell_states(const Lstm<double>& lstm, const Tensor<double>& x, const Tensor<double>& h0,
                           const Tensor<double>& c0);

}  // namespace unroll::seeds
