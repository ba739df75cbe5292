// The cost of one recorded op: a chain of multiplications and additions, forward and backward; and of models
// made of many small ops, against handwritten loops.
#include <benchmark/benchmark.h>
#include <malloc.h>

#include <array>

#include "framework/ops.hpp"
#include "layers/recurrent.hpp"
#include "tape_loops.hpp"

namespace {

using namespace unroll;

constexpr int kOps = 10000;

// Time per op: forward, backward and release of the tape.
template <class S>
void chain(benchmark::State& state) {
  const auto elements = static_cast<std::size_t>(state.range(0));
  const Var<S> x = parameter(full<S>({elements}, S(1)));
  const Var<S> factor(full<S>({elements}, S(1.0001)));
  const Var<S> offset(full<S>({elements}, S(-0.0001)));
  for (auto _ : state) {
    Tape tape;
    Var<S> y = x;
    for (int i = 0; i < kOps / 2; ++i) y = y * factor + offset;
    tape.backward(y, factor);
    benchmark::DoNotOptimize(x.grad().data());
  }
  state.counters["time_per_op"] =
      benchmark::Counter(kOps, benchmark::Counter::kIsIterationInvariantRate | benchmark::Counter::kInvert);
}

// Bytes that a recorded op holds until the backward pass: node, rule, and the values that rules keep. Without
// product: multiplications by a constant and additions. With product every op needs its inputs again.
template <class S, bool product>
void held(benchmark::State& state) {
  const auto elements = static_cast<std::size_t>(state.range(0));
  const Var<S> x = parameter(full<S>({elements}, S(1)));
  const Var<S> factor(full<S>({elements}, S(1.0001)));
  const auto in_use = [] {
    const struct mallinfo2 info = mallinfo2();
    return static_cast<double>(info.uordblks + info.hblkhd);
  };
  constexpr int kMany = 1000000;
  double bytes = 0.0;
  for (auto _ : state) {
    release_unused_memory();
    const double before = in_use();
    Tape tape;
    Var<S> y = x;
    for (int i = 0; i < kMany / 2; ++i) y = product ? (y * x) * y : y * factor + factor;
    bytes = in_use() - before;
  }
  state.counters["bytes_per_op"] = bytes / kMany;
}

using V = Var<double>;

Tensor<double> row(const std::vector<double>& from, std::size_t index, std::size_t size) {
  return from_values(Shape{size}, from.data() + index * size);
}

// Loss and gradient of the diagonal LSTM, op by op.
void diagonal_lstm_ops(benchmark::State& state) {
  const bench::DiagonalLstm model(static_cast<std::size_t>(state.range(0)), 14,
                                  static_cast<std::size_t>(state.range(1)));
  const std::size_t B = model.units, L = model.layers;
  std::vector<V> w, inputs;
  for (std::size_t i = 0; i < 8 * L + 3; ++i) w.push_back(parameter(row(model.weights, i, B)));
  for (std::size_t t = 0; t < model.steps; ++t) inputs.emplace_back(row(model.inputs, t, B));
  for (auto _ : state) {
    std::vector<V> s;
    for (std::size_t i = 0; i < 2 * L; ++i) s.emplace_back(row(model.state, i, B));
    Tape tape;
    V total(Tensor<double>(0.0));
    for (std::size_t t = 0; t + 1 < model.steps; ++t) {
      V x = inputs[t] * w[8 * L];
      for (std::size_t l = 0; l < L; ++l) {
        const V* p = w.data() + 8 * l;
        V &h = s[2 * l], &c = s[2 * l + 1];
        const V f = sigmoid(x * p[0] + p[4]), i = sigmoid(h * p[1] + p[5]), o = sigmoid(x * p[2] + p[6]);
        c = c * f + i * tanh(h * p[3] + p[7]);
        x = h = o * tanh(c);
      }
      const V y = x * w[8 * L + 1] + w[8 * L + 2];
      total = total + sum(inputs[t + 1] * (y - log(sum(exp(y)) + 2.0)));
    }
    tape.backward(total * (-1.0 / static_cast<double>((model.steps - 1) * B)));
    benchmark::DoNotOptimize(w[0].grad().data());
  }
}

struct DiagonalState {
  using Scalar = double;
  V h, c;
  static void each(auto& self, auto&& visit) {
    visit("h", self.h);
    visit("c", self.c);
  }
};

// One layer of it as a cell.
struct DiagonalCell : MoveOnly {
  using State = DiagonalState;
  using Scalar = double;
  CellSizes options;
  std::array<V, 8> w;

  DiagonalCell() = default;
  DiagonalCell(CellSizes sizes, Rng&) : options(sizes) {}
  State step(const V& x, const State& s) const {
    const V f = sigmoid(x * w[0] + w[4]), i = sigmoid(s.h * w[1] + w[5]), o = sigmoid(x * w[2] + w[6]);
    const V c = s.c * f + i * tanh(s.h * w[3] + w[7]);
    return {o * tanh(c), c};
  }
  static void each(auto& self, auto&& visit) {
    visit("options", self.options);
    for (std::size_t k = 0; k < self.w.size(); ++k) visit("w" + std::to_string(k), self.w[k]);
  }
};

// Loss and gradient of the diagonal LSTM by layers of this cell.
void diagonal_lstm_cells(benchmark::State& state) {
  const bench::DiagonalLstm model(static_cast<std::size_t>(state.range(0)), 14,
                                  static_cast<std::size_t>(state.range(1)));
  const std::size_t B = model.units, L = model.layers, T = model.steps - 1;
  const auto unit_row = [&](const std::vector<double>& from, std::size_t index) {
    return from_values(Shape{1, B}, from.data() + index * B);
  };
  Rng rng(1);
  const auto size = static_cast<Index>(B);
  Recurrent<DiagonalCell> layers({.input = size, .hidden = size}, {.layers = state.range(0)}, rng);
  States<DiagonalState> start;
  for (std::size_t l = 0; l < L; ++l) {
    for (std::size_t k = 0; k < 8; ++k)
      layers.cells()[l].w[k] = parameter(unit_row(model.weights, 8 * l + k));
    start.push_back({V(unit_row(model.state, 2 * l)), V(unit_row(model.state, 2 * l + 1))});
  }
  std::array<V, 3> v;
  for (std::size_t k = 0; k < 3; ++k) v[k] = parameter(row(model.weights, 8 * L + k, B));
  const V inputs(from_values(Shape{T, 1, B}, model.inputs.data())),
      next(from_values(Shape{T, 1, B}, model.inputs.data() + B));
  for (auto _ : state) {
    const Tape tape;
    const V y = layers(inputs * v[0], {.states = start, .lengths = {}}).output * v[1] + v[2];
    const V loss = sum(next * (y - log(sum(exp(y), {-1}, true) + 2.0))) * (-1.0 / static_cast<double>(T * B));
    Tape::current()->backward(loss);
    benchmark::DoNotOptimize(v[0].grad().data());
  }
}

void diagonal_lstm_loops(benchmark::State& state) {
  const bench::DiagonalLstm model(static_cast<std::size_t>(state.range(0)), 14,
                                  static_cast<std::size_t>(state.range(1)));
  for (auto _ : state) {
    std::vector<double> gradient(model.weights.size());
    benchmark::DoNotOptimize(bench::diagonal_lstm(model, gradient));
  }
}

// Small vectors without a tape.
void ode_ops(benchmark::State& state) {
  const V x(full<double>({static_cast<std::size_t>(state.range(0))}, 0.9)), one(ones<double>({1}));
  const Index n = state.range(0);
  constexpr int kSteps = 100;
  const auto slope = [&](const V& y) { return x * concat({one, slice(y, 0, {0, n - 1})}); };
  for (auto _ : state) {
    V y(zeros<double>(x.shape()));
    constexpr double h = 2.0 / kSteps;
    for (int step = 0; step < kSteps; ++step) {
      const V k1 = slope(y), k2 = slope(k1 * (h / 2) + y), k3 = slope(k2 * (h / 2) + y),
              k4 = slope(k3 * h + y);
      y = y + (k1 + k2 * 2.0 + k3 * 2.0 + k4) * (h / 6);
    }
    benchmark::DoNotOptimize(y.data());
  }
}

void ode_loops(benchmark::State& state) {
  const std::vector<double> x(static_cast<std::size_t>(state.range(0)), 0.9);
  std::vector<double> y;
  for (auto _ : state) {
    bench::ode(x, 100, y);
    benchmark::DoNotOptimize(y.data());
  }
}

BENCHMARK(diagonal_lstm_ops)->Args({2, 1024})->Args({4, 4096})->Unit(benchmark::kMillisecond);
BENCHMARK(diagonal_lstm_cells)->Args({2, 1024})->Args({4, 4096})->Unit(benchmark::kMillisecond);
BENCHMARK(diagonal_lstm_loops)->Args({2, 1024})->Args({4, 4096})->Unit(benchmark::kMillisecond);
BENCHMARK(ode_ops)->Arg(100)->Arg(1000)->Arg(10000)->Unit(benchmark::kMicrosecond);
BENCHMARK(ode_loops)->Arg(100)->Arg(1000)->Arg(10000)->Unit(benchmark::kMicrosecond);
BENCHMARK_TEMPLATE(held, float, false)->Arg(16)->Iterations(1)->Unit(benchmark::kMillisecond);
BENCHMARK_TEMPLATE(held, float, true)->Arg(16)->Iterations(1)->Unit(benchmark::kMillisecond);
BENCHMARK(chain<float>)->Arg(1)->Arg(16)->Arg(256)->Unit(benchmark::kMicrosecond);
BENCHMARK(chain<double>)->Arg(16)->Unit(benchmark::kMicrosecond);

}  // namespace

BENCHMARK_MAIN();
