// What one recorded op costs: a chain of multiplications and additions, forward and backward.
#include <benchmark/benchmark.h>

#include "framework/ops.hpp"

namespace {

using namespace unroll;

constexpr int kOps = 10000;

// Time per op, forward + backward + release of the tape, and the bytes held per op before the backward pass.
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
  state.counters["ns_per_op"] = benchmark::Counter(
      kOps * 1e-9, benchmark::Counter::kIsIterationInvariantRate | benchmark::Counter::kInvert);
}

BENCHMARK(chain<float>)->Arg(1)->Arg(16)->Arg(256)->Unit(benchmark::kMicrosecond);
BENCHMARK(chain<double>)->Arg(16)->Unit(benchmark::kMicrosecond);

}  // namespace

BENCHMARK_MAIN();
