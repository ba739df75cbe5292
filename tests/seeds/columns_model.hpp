// The models of seeds 001 and 004: RNN and LSTM over columns with a softmax at every step.
#pragma once

#include <map>
#include <string>

#include "framework/numpy_random.hpp"
#include "seeds/seed_layers.hpp"

namespace unroll::seeds {

// Parameters and inputs by the notebooks' names.
using Named = std::map<std::string, Var<double>>;

struct ColumnsResult {
  Var<double> a, y;       // (n_a,m,T) and (n_y,m,T)
  Var<double> c, c_last;  // LSTM: (n_a,m,T), without gradient, and (n_a,m)
};

// yhat = softmax(Wy a + by) at every step; a as (T,m,n_a).
inline Var<double> softmax_columns(const Var<double>& a, const Var<double>& wy, const Var<double>& by) {
  return swap_columns_and_steps(softmax(linear(a, wy, reshape(by, {-1}))));
}

// rnn_forward(x, a0, parameters): x (n_x,m,T), a0 (n_a,m).
inline ColumnsResult rnn_forward(const Named& p, Path path) {
  const auto rnn = make_rnn(gate_from_columns(p.at("Wax"), p.at("Waa"), p.at("ba")), {.path = path});
  const auto a =
      rnn(swap_columns_and_steps(p.at("x")), {.states = {transpose(p.at("a0"))}, .lengths = {}}).output;
  return {swap_columns_and_steps(a), softmax_columns(a, p.at("Wya"), p.at("by")), {}, {}};
}

// lstm_forward(x, a0, parameters), with c0 too: x (n_x,m,T), a0 and c0 (n_a,m).
inline ColumnsResult lstm_forward(const Named& p, Path path) {
  const auto gate = [&](const std::string& name) {
    return gate_from_joined_columns(p.at("W" + name), p.at("b" + name));
  };
  const auto lstm =
      make_lstm({.f = gate("f"), .i = gate("i"), .o = gate("o"), .c = gate("c")}, {.path = path});
  const Var<double> x = swap_columns_and_steps(p.at("x"));
  const Var<double> a0 = transpose(p.at("a0")), c0 = transpose(p.at("c0"));
  const auto result = lstm(x, {.states = {{a0, c0}}, .lengths = {}});
  const Var<double> cells(cell_states(lstm, x.value(), a0.value(), c0.value()));
  return {swap_columns_and_steps(result.output), softmax_columns(result.output, p.at("Wy"), p.at("by")),
          swap_columns_and_steps(cells), transpose(result.states[0].c)};
}

}  // namespace unroll::seeds
