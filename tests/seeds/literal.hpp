// The seeds' own code where it is wrong, kept so that its published numbers can be shown beside the right
// ones.
#pragma once

#include <vector>

#include "framework/tensor.hpp"

namespace unroll::seeds {

// Seed 000's scalar RNN: a = wx x + wh h + bh, h = tanh(a), y = Wy h + by.
struct ScalarRnn {
  double wx = 0.0, wh = 0.0, bh = 0.0, wy = 0.0, by = 0.0;
};
// Its training as the notebook has it. The loss 0.5 mean (y - target)^2 of every epoch, before the epoch's
// updates.
//
// Wrong there: the gradient leaves out the mean's 1/T, and the five parameters are changed inside the loop
// over the time steps, by the gradient gathered so far, so that the steps before see another Wy and wh than
// the forward pass.
std::vector<double> seed000_train(ScalarRnn& p, const std::vector<double>& sequence, double h0, double lr,
                                  std::size_t epochs);

// Seed 000's GRU forward: the reset gate r is computed and then not used, n = tanh(Wh x + Uh h + bh).
// Columns: x (D,m,T), h0 (H,m), weights (H,D), (H,H), (H,1). Returns h (H,m,T).
struct GruWithoutReset {
  Tensor<double> wz, uz, bz, wh, uh, bh;
};
Tensor<double> seed000_gru_forward(const GruWithoutReset& p, const Tensor<double>& x,
                                   const Tensor<double>& h0);

// Seed 002's backward(), for L = sum h_T^2 / 2.
//
// Wrong there: what should go back through w_h stays at the step (the same dA is multiplied by 1 - h_t^2
// again and again), dZ goes through w_h and then w_x instead of w_x alone, the gradient of w_h takes h_t
// instead of h_(t-1), and the weights are changed inside the loop.
struct SimpleRnn {
  Tensor<double> x, h0, w_x, w_h, b;  // (B,T,I), (B,H), (I,H), (H,H), (H)
};
struct Seed002Result {
  Tensor<double> dz;           // (T,B,I)
  Tensor<double> w_x, w_h, b;  // after the updates
};
Seed002Result seed002_backward(SimpleRnn p, double lr);

}  // namespace unroll::seeds
