// Handwritten code for exactly one model: plain loops, sizes known to the compiler, no library. Compiled with
// -O3 -march=native -ffast-math, so that the compiler vectorises them with its own vector exp and tanh.
#include <cmath>
#include <cstring>
#include <memory>

#include "workloads.hpp"

namespace unroll::bench {
namespace {

template <class S>
S sigmoid(S x) {
  return S(1) / (S(1) + std::exp(-x));
}

// W1: h_t = tanh(W_x x_t + W_h h_{t-1} + b), softmax cross-entropy of V h_T + c, SGD. Weights (input,
// output).
template <class S, std::size_t B, std::size_t T, std::size_t I, std::size_t H, std::size_t C>
struct Classifier {
  S wx[I][H], wh[H][H], b[H], v[H][C], c[C];
  S x[T][B][I], h[T + 1][B][H];
  std::size_t y[B];
  S loss = 0;

  Classifier() {
    const auto values = numbers<S>(I * H + H * H + H + H * C + C + T * B * I, 0.4, 1);
    const S* from = values.data();
    const auto fill = [&](auto& to) {
      std::memcpy(&to, from, sizeof(to));
      from += sizeof(to) / sizeof(S);
    };
    fill(wx), fill(wh), fill(b), fill(v), fill(c), fill(x);
    for (std::size_t r = 0; r < B; ++r) y[r] = r % C;
    std::memset(h, 0, sizeof(h));
  }
  void step() {
    for (std::size_t t = 0; t < T; ++t) {
      for (std::size_t r = 0; r < B; ++r) {
        S a[H];
        for (std::size_t j = 0; j < H; ++j) a[j] = b[j];
        for (std::size_t i = 0; i < I; ++i)
          for (std::size_t j = 0; j < H; ++j) a[j] += x[t][r][i] * wx[i][j];
        for (std::size_t i = 0; i < H; ++i)
          for (std::size_t j = 0; j < H; ++j) a[j] += h[t][r][i] * wh[i][j];
        for (std::size_t j = 0; j < H; ++j) h[t + 1][r][j] = std::tanh(a[j]);
      }
    }
    S dwx[I][H] = {}, dwh[H][H] = {}, db[H] = {}, dv[H][C] = {}, dc[C] = {}, dh[B][H] = {};
    loss = 0;
    for (std::size_t r = 0; r < B; ++r) {
      S p[C], total = 0, largest;
      for (std::size_t k = 0; k < C; ++k) p[k] = c[k];
      for (std::size_t j = 0; j < H; ++j)
        for (std::size_t k = 0; k < C; ++k) p[k] += h[T][r][j] * v[j][k];
      largest = p[0];
      for (std::size_t k = 1; k < C; ++k) largest = p[k] > largest ? p[k] : largest;
      for (std::size_t k = 0; k < C; ++k) total += p[k] = std::exp(p[k] - largest);
      for (std::size_t k = 0; k < C; ++k) p[k] /= total;
      loss -= std::log(p[y[r]]) / B;
      for (std::size_t k = 0; k < C; ++k) p[k] = (p[k] - S(k == y[r])) / B;
      for (std::size_t k = 0; k < C; ++k) dc[k] += p[k];
      for (std::size_t j = 0; j < H; ++j)
        for (std::size_t k = 0; k < C; ++k) {
          dv[j][k] += h[T][r][j] * p[k];
          dh[r][j] += v[j][k] * p[k];
        }
    }
    for (std::size_t t = T; t-- > 0;) {
      for (std::size_t r = 0; r < B; ++r) {
        S da[H];
        for (std::size_t j = 0; j < H; ++j) da[j] = dh[r][j] * (1 - h[t + 1][r][j] * h[t + 1][r][j]);
        for (std::size_t j = 0; j < H; ++j) db[j] += da[j];
        for (std::size_t i = 0; i < I; ++i)
          for (std::size_t j = 0; j < H; ++j) dwx[i][j] += x[t][r][i] * da[j];
        for (std::size_t i = 0; i < H; ++i) {
          S sum = 0;
          for (std::size_t j = 0; j < H; ++j) {
            dwh[i][j] += h[t][r][i] * da[j];
            sum += wh[i][j] * da[j];
          }
          dh[r][i] = sum;
        }
      }
    }
    const S lr = S(1e-3);
    for (std::size_t i = 0; i < I; ++i)
      for (std::size_t j = 0; j < H; ++j) wx[i][j] -= lr * dwx[i][j];
    for (std::size_t i = 0; i < H; ++i)
      for (std::size_t j = 0; j < H; ++j) wh[i][j] -= lr * dwh[i][j];
    for (std::size_t j = 0; j < H; ++j) b[j] -= lr * db[j];
    for (std::size_t j = 0; j < H; ++j)
      for (std::size_t k = 0; k < C; ++k) v[j][k] -= lr * dv[j][k];
    for (std::size_t k = 0; k < C; ++k) c[k] -= lr * dc[k];
  }
};

// W2: one hidden unit, y_t = v h_t + c at every step, half the mean squared error against the next value,
// SGD.
template <class S, std::size_t T>
struct ScalarRnn {
  S wx = S(0.3), wh = S(-0.2), b = S(0.1), v = S(0.4), c = S(0.05), loss = 0;
  S x[T], target[T];
  ScalarRnn() {
    for (std::size_t t = 0; t < T; ++t) x[t] = S(0.1) * S(t + 1), target[t] = S(0.1) * S(t + 2);
  }
  void step() {
    S h[T + 1] = {}, e[T];
    loss = 0;
    for (std::size_t t = 0; t < T; ++t) {
      h[t + 1] = std::tanh(wx * x[t] + wh * h[t] + b);
      e[t] = v * h[t + 1] + c - target[t];
      loss += S(0.5) / T * e[t] * e[t];
    }
    S dwx = 0, dwh = 0, db = 0, dv = 0, dc = 0, next = 0;
    for (std::size_t t = T; t-- > 0;) {
      const S dy = e[t] / T;
      dv += dy * h[t + 1], dc += dy;
      const S da = (dy * v + next) * (1 - h[t + 1] * h[t + 1]);
      dwx += da * x[t], dwh += da * h[t], db += da;
      next = da * wh;
    }
    const S lr = S(1e-3);
    wx -= lr * dwx, wh -= lr * dwh, b -= lr * db, v -= lr * dv, c -= lr * dc;
  }
};

// W3 and W9: an LSTM of one sequence; weights (input, output), so that the inner loop is contiguous. Aligned,
// so that rows do not cross cache lines depending on the heap.
template <class S, std::size_t T, std::size_t I, std::size_t H>
struct alignas(64) LstmLoop {
  static constexpr std::size_t G = 4 * H;
  S wx[I][G], wh[H][G], b[G], x[T][I], up[T][H];
  S h[T + 1][H], c[T + 1][H], gate[T][G], tanh_c[T][H];
  S dwx[I][G], dwh[H][G], db[G];

  LstmLoop() {
    const auto values = numbers<S>(I * G + H * G + G + T * I + T * H, 0.2, 3);
    const S* from = values.data();
    const auto fill = [&](auto& to) {
      std::memcpy(&to, from, sizeof(to));
      from += sizeof(to) / sizeof(S);
    };
    fill(wx), fill(wh), fill(b), fill(x), fill(up);
    std::memset(h, 0, sizeof(h));
    std::memset(c, 0, sizeof(c));
  }
  void forward(std::size_t t) {
    S a[G];
    for (std::size_t j = 0; j < G; ++j) a[j] = b[j];
    for (std::size_t i = 0; i < I; ++i)
      for (std::size_t j = 0; j < G; ++j) a[j] += x[t][i] * wx[i][j];
    for (std::size_t i = 0; i < H; ++i)
      for (std::size_t j = 0; j < G; ++j) a[j] += h[t][i] * wh[i][j];
    for (std::size_t j = 0; j < H; ++j) {
      const S in = sigmoid(a[j]), forget = sigmoid(a[H + j]), g = std::tanh(a[2 * H + j]),
              out = sigmoid(a[3 * H + j]);
      c[t + 1][j] = forget * c[t][j] + in * g;
      tanh_c[t][j] = std::tanh(c[t + 1][j]);
      h[t + 1][j] = out * tanh_c[t][j];
      gate[t][j] = in, gate[t][H + j] = forget, gate[t][2 * H + j] = g, gate[t][3 * H + j] = out;
    }
  }
  void step() {
    for (std::size_t t = 0; t < T; ++t) forward(t);
    std::memset(dwx, 0, sizeof(dwx));
    std::memset(dwh, 0, sizeof(dwh));
    std::memset(db, 0, sizeof(db));
    S dh[H] = {}, dc[H] = {}, da[G];
    for (std::size_t t = T; t-- > 0;) {
      for (std::size_t j = 0; j < H; ++j) {
        const S in = gate[t][j], forget = gate[t][H + j], g = gate[t][2 * H + j], out = gate[t][3 * H + j];
        const S d = dh[j] + up[t][j], q = tanh_c[t][j];
        const S e = dc[j] + d * out * (1 - q * q);
        da[j] = e * g * in * (1 - in);
        da[H + j] = e * c[t][j] * forget * (1 - forget);
        da[2 * H + j] = e * in * (1 - g * g);
        da[3 * H + j] = d * q * out * (1 - out);
        dc[j] = e * forget;
      }
      for (std::size_t j = 0; j < G; ++j) db[j] += da[j];
      for (std::size_t i = 0; i < I; ++i)
        for (std::size_t j = 0; j < G; ++j) dwx[i][j] += x[t][i] * da[j];
      for (std::size_t i = 0; i < H; ++i) {
        S sum = 0;
        for (std::size_t j = 0; j < G; ++j) {
          dwh[i][j] += h[t][i] * da[j];
          sum += wh[i][j] * da[j];
        }
        dh[i] = sum;
      }
    }
    const S lr = S(1e-3);
    for (std::size_t i = 0; i < I; ++i)
      for (std::size_t j = 0; j < G; ++j) wx[i][j] -= lr * dwx[i][j];
    for (std::size_t i = 0; i < H; ++i)
      for (std::size_t j = 0; j < G; ++j) wh[i][j] -= lr * dwh[i][j];
    for (std::size_t j = 0; j < G; ++j) b[j] -= lr * db[j];
  }
  // One step of a stream: the state is updated in place.
  void stream() {
    forward(0);
    std::memcpy(h[0], h[1], sizeof(h[0]));
    std::memcpy(c[0], c[1], sizeof(c[0]));
  }
};

template <class Model, auto step>
std::function<Step()> maker() {
  return [] {
    return [model = std::make_shared<Model>()] {
      ((*model).*step)();
      asm volatile("" : : "r"(model.get()) : "memory");  // marks the step's writes as used
    };
  };
}

template <class S>
void add(std::vector<Variant>& list, const char* scalar) {
  using W1 = Classifier<S, 2, 3, 2, 4, 2>;
  using W2 = ScalarRnn<S, 3>;
  using W3 = LstmLoop<S, 32, 8, 16>;
  using W9 = LstmLoop<S, 1, 16, 64>;
  list.push_back({"W1", "hand", scalar, 1, 1.0, maker<W1, &W1::step>()});
  list.push_back({"W2", "hand", scalar, 1, 1.0, maker<W2, &W2::step>()});
  list.push_back({"W3", "hand", scalar, 1, 1.0, maker<W3, &W3::step>()});
  list.push_back({"W9", "hand", scalar, 1, 1.0, maker<W9, &W9::stream>()});
  // y = y f + o, repeated, and its backward pass: the cost of a chain of taped ops without the tape.
  for (const std::size_t elements : kChainSizes) {
    const std::size_t ops = elements > 1024 ? 200 : 10000;
    list.push_back({"ops" + std::to_string(elements), "hand", scalar, 1, static_cast<double>(ops), [=] {
                      std::vector<S> f(elements, S(1.0001)), o(elements, S(-0.0001)), y(elements, S(1)),
                          g(elements);
                      return Step([=]() mutable {
                        for (std::size_t k = 0; k < ops / 2; ++k) {
                          for (std::size_t i = 0; i < elements; ++i) y[i] = y[i] * f[i];
                          asm volatile("" : : "r"(y.data()) : "memory");
                          for (std::size_t i = 0; i < elements; ++i) y[i] = y[i] + o[i];
                          asm volatile("" : : "r"(y.data()) : "memory");
                        }
                        for (std::size_t i = 0; i < elements; ++i) g[i] = f[i], y[i] = 1;
                        for (std::size_t k = 0; k < ops / 2; ++k) {
                          for (std::size_t i = 0; i < elements; ++i) g[i] = g[i] * f[i];
                          asm volatile("" : : "r"(g.data()) : "memory");
                        }
                      });
                    }});
  }
}

}  // namespace

void add_hand_loops(std::vector<Variant>& list) {
  add<float>(list, "float");
  add<double>(list, "double");
}

}  // namespace unroll::bench
