#include "seeds/literal.hpp"

#include <cmath>

#include "framework/ops.hpp"

namespace unroll::seeds {

std::vector<double> seed000_train(ScalarRnn& p, const std::vector<double>& sequence, double h0, double lr,
                                  std::size_t epochs) {
  const std::size_t steps = sequence.size() - 1;
  std::vector<double> losses, h(steps), y(steps), a(steps);
  for (std::size_t epoch = 0; epoch < epochs; ++epoch) {
    double squares = 0.0;
    for (std::size_t t = 0; t < steps; ++t) {
      a[t] = p.wx * sequence[t] + p.wh * (t > 0 ? h[t - 1] : h0) + p.bh;
      h[t] = std::tanh(a[t]);
      y[t] = p.wy * h[t] + p.by;
      squares += (y[t] - sequence[t + 1]) * (y[t] - sequence[t + 1]);
    }
    losses.push_back(0.5 * squares / static_cast<double>(steps));

    ScalarRnn d;
    double dh_next = 0.0;
    for (std::size_t t = steps; t-- > 0;) {
      const double dy = y[t] - sequence[t + 1];
      d.wy += dy * h[t];
      d.by += dy;
      const double dh = dy * p.wy + dh_next;
      const double da = dh * (1.0 - std::tanh(a[t]) * std::tanh(a[t]));
      d.wx += da * sequence[t];
      d.wh += da * (t > 0 ? h[t - 1] : 0.0);
      d.bh += da;
      dh_next = da * p.wh;
      p.wx -= lr * d.wx;
      p.wh -= lr * d.wh;
      p.bh -= lr * d.bh;
      p.wy -= lr * d.wy;
      p.by -= lr * d.by;
    }
  }
  return losses;
}

Tensor<double> seed000_gru_forward(const GruWithoutReset& p, const Tensor<double>& x,
                                   const Tensor<double>& h0) {
  const Var<double> wz(p.wz), uz(p.uz), bz(p.bz), wh(p.wh), uh(p.uh), bh(p.bh);
  Var<double> h(h0);
  std::vector<Var<double>> states;
  for (Index t = 0; t < static_cast<Index>(x.shape()[2]); ++t) {
    const Var<double> x_t = select(Var<double>(x), 2, t);
    const Var<double> z = sigmoid(matmul(wz, x_t) + matmul(uz, h) + bz);
    const Var<double> n = tanh(matmul(wh, x_t) + matmul(uh, h) + bh);
    h = z * h + (1.0 - z) * n;
    states.push_back(h);
  }
  return stack(states, 2).value();
}

Seed002Result seed002_backward(SimpleRnn p, double lr) {
  const auto steps = static_cast<Index>(p.x.shape()[1]);
  const Var<double> x(p.x);
  Var<double> w_x(p.w_x), w_h(p.w_h), b(p.b);
  std::vector<Var<double>> h;
  for (Index t = 0; t < steps; ++t) {
    h.push_back(tanh(matmul(select(x, 1, t), w_x) + matmul(t > 0 ? h.back() : Var<double>(p.h0), w_h) + b));
  }
  Var<double> da = h.back();
  std::vector<Var<double>> dz(h.size());
  for (Index t = steps - 1; t >= 0; --t) {
    const auto& h_t = h[static_cast<std::size_t>(t)];
    da = da * (1.0 - square(h_t));
    dz[static_cast<std::size_t>(t)] =
        matmul(matmul(da, w_h, {.transpose_b = true}), w_x, {.transpose_b = true});
    w_x = w_x - lr * matmul(select(x, 1, t), da, {.transpose_a = true});
    w_h = w_h - lr * matmul(h_t, da, {.transpose_a = true});
    b = b - lr * sum(da, {0});
  }
  return {stack(dz, 0).value(), w_x.value(), w_h.value(), b.value()};
}

}  // namespace unroll::seeds
