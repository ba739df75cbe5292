#include "tape_loops.hpp"

#include <cmath>
#include <random>

namespace unroll::bench {
namespace {

double sigmoid(double x) { return 1.0 / (1.0 + std::exp(-x)); }

// What a unit's step keeps for the way back.
struct Kept {
  double x, h, c, f, i, o, g, tanh_c;
};

}  // namespace

DiagonalLstm::DiagonalLstm(std::size_t layer_count, std::size_t unit_count, std::size_t step_count)
    : layers(layer_count), units(unit_count), steps(step_count) {
  std::mt19937_64 random(1);
  std::uniform_real_distribution<double> uniform(-1.0, 1.0);
  const auto numbers = [&](std::size_t n) {
    std::vector<double> values(n);
    for (double& v : values) v = uniform(random);
    return values;
  };
  weights = numbers((8 * layers + 3) * units);
  state = numbers(2 * layers * units);
  inputs = numbers(steps * units);
}

double diagonal_lstm(const DiagonalLstm& model, std::vector<double>& gradient) {
  const std::size_t L = model.layers, B = model.units, T = model.steps - 1;
  std::vector<Kept> kept(T * L * B);
  std::vector<double> state = model.state, top(T * B), y(T * B), log_sum(T), x(B);
  const double* v = model.weights.data() + 8 * L * B;
  double total = 0.0;
  for (std::size_t t = 0; t < T; ++t) {
    for (std::size_t b = 0; b < B; ++b) x[b] = model.inputs[t * B + b] * v[b];
    for (std::size_t l = 0; l < L; ++l) {
      const double* w = model.weights.data() + 8 * l * B;
      double *h = state.data() + 2 * l * B, *c = h + B;
      Kept* keep = kept.data() + (t * L + l) * B;
      for (std::size_t b = 0; b < B; ++b) {
        Kept& k = keep[b];
        k.x = x[b], k.h = h[b], k.c = c[b];
        k.f = sigmoid(x[b] * w[b] + w[4 * B + b]);
        k.i = sigmoid(h[b] * w[B + b] + w[5 * B + b]);
        k.o = sigmoid(x[b] * w[2 * B + b] + w[6 * B + b]);
        k.g = std::tanh(h[b] * w[3 * B + b] + w[7 * B + b]);
        c[b] = c[b] * k.f + k.i * k.g;
        k.tanh_c = std::tanh(c[b]);
        x[b] = h[b] = k.o * k.tanh_c;
      }
    }
    double sum = 2.0;
    for (std::size_t b = 0; b < B; ++b) {
      top[t * B + b] = x[b];
      y[t * B + b] = x[b] * v[B + b] + v[2 * B + b];
      sum += std::exp(y[t * B + b]);
    }
    log_sum[t] = std::log(sum);
    for (std::size_t b = 0; b < B; ++b) total += model.inputs[(t + 1) * B + b] * (y[t * B + b] - log_sum[t]);
  }
  const double scale = -1.0 / static_cast<double>(T * B);

  double* dv = gradient.data() + 8 * L * B;
  std::vector<double> dstate(2 * L * B), dx(B);
  for (std::size_t t = T; t-- > 0;) {
    const double* gold = model.inputs.data() + (t + 1) * B;
    double all_gold = 0.0;
    for (std::size_t b = 0; b < B; ++b) all_gold += gold[b];
    for (std::size_t b = 0; b < B; ++b) {
      const double dy = scale * (gold[b] - all_gold * std::exp(y[t * B + b] - log_sum[t]));
      dv[B + b] += dy * top[t * B + b];
      dv[2 * B + b] += dy;
      dx[b] = dy * v[B + b];
    }
    for (std::size_t l = L; l-- > 0;) {
      const double* w = model.weights.data() + 8 * l * B;
      double *dw = gradient.data() + 8 * l * B, *dh = dstate.data() + 2 * l * B, *dc = dh + B;
      const Kept* keep = kept.data() + (t * L + l) * B;
      for (std::size_t b = 0; b < B; ++b) {
        const Kept& k = keep[b];
        const double dout = dh[b] + dx[b];
        const double dcell = dc[b] + dout * k.o * (1.0 - k.tanh_c * k.tanh_c);
        const double df = dcell * k.c * k.f * (1.0 - k.f), di = dcell * k.g * k.i * (1.0 - k.i),
                     d_o = dout * k.tanh_c * k.o * (1.0 - k.o), dg = dcell * k.i * (1.0 - k.g * k.g);
        dw[b] += df * k.x, dw[4 * B + b] += df;
        dw[B + b] += di * k.h, dw[5 * B + b] += di;
        dw[2 * B + b] += d_o * k.x, dw[6 * B + b] += d_o;
        dw[3 * B + b] += dg * k.h, dw[7 * B + b] += dg;
        dc[b] = dcell * k.f;
        dh[b] = di * w[B + b] + dg * w[3 * B + b];
        dx[b] = df * w[b] + d_o * w[2 * B + b];
      }
    }
    for (std::size_t b = 0; b < B; ++b) dv[b] += dx[b] * model.inputs[t * B + b];
  }
  return scale * total;
}

void ode(const std::vector<double>& x, std::size_t steps, std::vector<double>& y) {
  const std::size_t n = x.size();
  const double h = 2.0 / static_cast<double>(steps);
  std::vector<double> k1(n), k2(n), k3(n), k4(n), at(n);
  const auto slope = [&](const std::vector<double>& from, std::vector<double>& k) {
    k[0] = x[0];
    for (std::size_t i = 1; i < n; ++i) k[i] = x[i] * from[i - 1];
  };
  const auto move = [&](const std::vector<double>& k, double by) {
    for (std::size_t i = 0; i < n; ++i) at[i] = y[i] + by * k[i];
  };
  y.assign(n, 0.0);
  for (std::size_t step = 0; step < steps; ++step) {
    slope(y, k1), move(k1, h / 2);
    slope(at, k2), move(k2, h / 2);
    slope(at, k3), move(k3, h);
    slope(at, k4);
    for (std::size_t i = 0; i < n; ++i) y[i] += h / 6 * (k1[i] + 2 * k2[i] + 2 * k3[i] + k4[i]);
  }
}

}  // namespace unroll::bench
