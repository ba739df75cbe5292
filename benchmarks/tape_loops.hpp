// Handwritten loops that tape_benchmark compares with: the same formulas without a tape.
#pragma once

#include <cstddef>
#include <vector>

namespace unroll::bench {

// The parameters of an LSTM whose weights are diagonal, as in the benchmarks of automatic differentiation by
// Srajer, Kukelova and Fitzgibbon ("A benchmark of selected algorithmic differentiation tools on some
// problems in computer vision and machine learning", 2018): every gate of a unit reads one number. For each
// of L layers of B units, and then for the output:
//
//   f = sigmoid(x w_0 + w_4)   i = sigmoid(h w_1 + w_5)   o = sigmoid(x w_2 + w_6)   g = tanh(h w_3 + w_7)
//   c' = c f + i g             h' = o tanh(c')            x of the next layer = h'
//
//   x_0 = input v_0,   y = h' v_1 + v_2,   loss = - mean over T-1 steps and B of (next input)(y - log(2 + sum
//   exp y))
struct DiagonalLstm {
  std::size_t layers, units, steps;
  std::vector<double> weights;  // (L,8,B), then (3,B)
  std::vector<double> state;    // (L,2,B): h and c
  std::vector<double> inputs;   // (T,B)

  DiagonalLstm(std::size_t layer_count, std::size_t unit_count, std::size_t step_count);
};

// Returns the loss and adds its gradient to gradient (as weights).
double diagonal_lstm(const DiagonalLstm& model, std::vector<double>& gradient);

// y after s steps of Runge and Kutta's method of order 4 for y_0' = x_0, y_i' = x_i y_(i-1), from 0 to 2.
void ode(const std::vector<double>& x, std::size_t steps, std::vector<double>& y);

}  // namespace unroll::bench
