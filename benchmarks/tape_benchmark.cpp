// The cost of one recorded op: a chain of multiplications and additions, forward and backward.
#include <benchmark/benchmark.h>
#include <malloc.h>

#include "framework/ops.hpp"

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

BENCHMARK_TEMPLATE(held, float, false)->Arg(16)->Iterations(1)->Unit(benchmark::kMillisecond);
BENCHMARK_TEMPLATE(held, float, true)->Arg(16)->Iterations(1)->Unit(benchmark::kMillisecond);
BENCHMARK(chain<float>)->Arg(1)->Arg(16)->Arg(256)->Unit(benchmark::kMicrosecond);
BENCHMARK(chain<double>)->Arg(16)->Unit(benchmark::kMicrosecond);

}  // namespace

BENCHMARK_MAIN();
