#include "seeds/seed_layers.hpp"

namespace unroll::seeds {
namespace {

using Vars = std::vector<Var<double>>;

Index rows(const Var<double>& matrix) { return static_cast<Index>(matrix.shape(0)); }
Index columns(const Var<double>& matrix) { return static_cast<Index>(matrix.shape(1)); }

// Gates one below the other, in the layer's order.
template <class Cell>
void set_weights(Cell& cell, const std::vector<GateWeights>& gates) {
  Vars input, state, bias;
  for (const GateWeights& gate : gates) {
    input.push_back(gate.input);
    state.push_back(gate.state);
    bias.push_back(gate.bias);
  }
  cell.weight_ih = concat(input, 0);
  cell.weight_hh = concat(state, 0);
  cell.bias_ih = concat(bias, 0);
  // The seeds have one bias per gate where PyTorch has two.
  cell.bias_hh = Var<double>(zeros<double>(cell.bias_ih.shape()));
}

}  // namespace

GateWeights gate_from_rows(const Var<double>& w, const Var<double>& u, const Var<double>& b) {
  return {transpose(w), transpose(u), b};
}

GateWeights gate_from_columns(const Var<double>& w, const Var<double>& u, const Var<double>& b) {
  return {w, u, reshape(b, {-1})};
}

GateWeights gate_from_joined_columns(const Var<double>& w, const Var<double>& b) {
  const Index hidden = rows(w);
  return gate_from_columns(slice(w, 1, {hidden, std::nullopt}), slice(w, 1, {0, hidden}), b);
}

Rnn<double> make_rnn(const GateWeights& weights, RecurrentOptions options) {
  Rng rng(0);  // of weights that are replaced at once
  Rnn<double> layer({.input = columns(weights.input), .hidden = rows(weights.input)}, options, rng);
  set_weights(layer.cells()[0], {weights});
  return layer;
}

Lstm<double> make_lstm(const LstmGates& gates, RecurrentOptions options) {
  Rng rng(0);
  Lstm<double> layer({.input = columns(gates.i.input), .hidden = rows(gates.i.input)}, options, rng);
  set_weights(layer.cells()[0], {gates.i, gates.f, gates.c, gates.o});
  return layer;
}

Gru<double> make_gru(const GruGates& gates, GruReset reset, GruUpdate update, RecurrentOptions options) {
  Rng rng(0);
  const Index hidden = rows(gates.h.input);
  Gru<double> layer({.input = columns(gates.h.input), .hidden = hidden, .reset = reset, .update = update},
                    options, rng);
  set_weights(layer.cells()[0], {gates.r, gates.z, gates.h});
  if (gates.candidate_state_bias.defined()) {
    const Var<double> none(zeros<double>({static_cast<std::size_t>(2 * hidden)}));
    layer.cells()[0].bias_hh = concat(Vars{none, gates.candidate_state_bias}, 0);
  }
  return layer;
}

Var<double> swap_columns_and_steps(const Var<double>& x) { return permute(x, {2, 1, 0}); }

Tensor<double> cell_states(const Lstm<double>& lstm, const Tensor<double>& x, const Tensor<double>& h0,
                           const Tensor<double>& c0) {
  const NoGrad no_grad;
  const LstmState<double> initial{Var<double>(h0), Var<double>(c0)};
  return lstm.with_all_states(Var<double>(x), {.states = {initial}, .lengths = {}}).all_states[0].c.value();
}

}  // namespace unroll::seeds
