#include "framework/kernels/packed_gemm.hpp"
#include "layers/bptt/rnn_loop.hpp"

namespace unroll::bptt::UNROLL_ISA {
namespace {

using namespace kernel::UNROLL_ISA;

template <class S>
void forward(const RnnForwardLoop<S>& f) noexcept {
  const TimeLoop& steps = f.steps;
  const std::size_t H = f.H;
  S* state = f.h + steps.begin * H;
  for (std::size_t k = 0; k < steps.count; ++k) {
    const std::size_t t = steps.time(k), rows = steps.rows(t);
    S* a = f.output + steps.first(t) * H;
    PackedGemm<S>{rows, H, H, state, H, 1, f.recurrent, true, a, H, steps.batch == 1}.run();
    for (std::size_t r = 0; r < rows; ++r) {
      S* row = a + r * H;
      S* h = state + r * H;
      for_lanes<S>(H, [&](const auto& lane) {
        const auto pre = lane.load(row) + lane.load(f.bias);
        const Batch<S> zero(S(0));
        const auto next = f.relu ? xsimd::select(pre <= zero, zero, pre) : tanh<S>(pre);
        lane.store(row, next);
        lane.store(h, next);
      });
    }
  }
}

template <class S>
void backward(const RnnBackwardLoop<S>& f) noexcept {
  const TimeLoop& steps = f.steps;
  const std::size_t H = f.H;
  S* dh = f.dh + steps.begin * H;
  for (std::size_t k = steps.count; k-- > 0;) {
    const std::size_t t = steps.time(k), rows = steps.rows(t), first = steps.first(t) * H;
    if (rows == 0) continue;
    const S* up = f.up_output != nullptr ? f.up_output + first : nullptr;
    // f' from the output: 1 - h^2 for tanh; for relu 1 where h > 0, 0 at 0.
    for_lanes<S>(rows * H, [&](const auto& lane) {
      const auto h = lane.load(f.output + first);
      auto g = lane.load(dh);
      if (up != nullptr) g += lane.load(up);
      const Batch<S> zero(S(0));
      lane.store(f.da + first, f.relu ? xsimd::select(h > zero, g, zero) : g * (S(1) - h * h));
    });
    if (k == 0 && !f.state_wanted) break;
    PackedGemm<S>{rows, H, H, f.da + first, H, 1, f.recurrent, false, dh, H, steps.batch == 1}.run();
  }
}

}  // namespace

extern constexpr kernel::ForScalars<RnnLoops> rnn_loops_table{{&forward<float>, &backward<float>},
                                                              {&forward<double>, &backward<double>}};

}  // namespace unroll::bptt::UNROLL_ISA
