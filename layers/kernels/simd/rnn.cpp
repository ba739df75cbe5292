#include <algorithm>

#include "framework/kernels/packed_gemm.hpp"
#include "layers/kernels/rnn_loop.hpp"

namespace unroll::bptt::UNROLL_ISA {
namespace {

using namespace kernel::UNROLL_ISA;

template <class S>
void forward(const RnnForwardLoop<S>& f) noexcept {
  const TimeLoop& steps = f.steps;
  const std::size_t H = f.H, first = f.units.begin, last = f.units.end;
  const auto weight = columns_from(first, f.recurrent);
  S* const h = f.h + steps.begin * H;
  const S* h_before = h;
  for (std::size_t k = 0; k < steps.count; ++k) {
    const std::size_t t = steps.time(k), rows = steps.batch_size(t);
    if (rows == 0) continue;
    S* a = f.output + steps.first(t) * H;
    PackedGemm<S>{rows, f.units.count(), H, h_before, H, 1, weight, true, a + first, H, steps.batch}.run();
    for (std::size_t r = 0; r < rows; ++r) {
      S* row = a + r * H;
      for_lanes<S>(first, last, [&](const auto& lane) {
        const auto pre = lane.load(row) + lane.load(f.bias);
        const Batch<S> zero(S(0));
        lane.store(row, f.relu ? xsimd::select(pre <= zero, zero, pre) : tanh<S>(pre));
      });
    }
    f.units.arrive_and_wait();
    if (steps.is_dense()) {
      h_before = a;
    } else {
      std::copy(a, a + rows * H, h);
    }
  }
  if (h_before != h) {
    for (std::size_t row = 0; row < (steps.end - steps.begin) * H; row += H)
      std::copy(h_before + row + first, h_before + row + last, h + row + first);
  }
}

template <class S>
void backward(const RnnBackwardLoop<S>& f) noexcept {
  const TimeLoop& steps = f.steps;
  const std::size_t H = f.H, first = f.units.begin, last = f.units.end;
  const auto weight = columns_from(first, f.recurrent);
  S* dh = f.dh + steps.begin * H;
  for (std::size_t k = steps.count; k-- > 0;) {
    const std::size_t t = steps.time(k), rows = steps.batch_size(t), at = steps.first(t) * H;
    if (rows == 0) continue;
    const S* up = f.up_output != nullptr ? f.up_output + at : nullptr;
    // f' from the output: 1 - h^2 for tanh; for relu 1 where h > 0, 0 at 0.
    const auto through = [&](const auto& lane) {
      const auto h = lane.load(f.output + at);
      auto g = lane.load(dh);
      if (up != nullptr) g += lane.load(up);
      const Batch<S> zero(S(0));
      lane.store(f.da + at, f.relu ? xsimd::select(h > zero, g, zero) : g * (S(1) - h * h));
    };
    if (f.units.is_split()) {
      for (std::size_t row = 0; row < rows * H; row += H) for_lanes<S>(row + first, row + last, through);
    } else {
      for_lanes<S>(rows * H, through);
    }
    if (k == 0 && !f.state_wanted) break;
    f.units.arrive_and_wait();  // the gradient of a unit's h is that of all units
    const std::size_t count = f.units.count();
    PackedGemm<S>{rows, count, H, f.da + at, H, 1, weight, false, dh + first, H, steps.batch}.run();
  }
}

}  // namespace

extern constexpr kernel::ForScalars<RnnLoops> rnn_loops_table{{&forward<float>, &backward<float>},
                                                              {&forward<double>, &backward<double>}};

}  // namespace unroll::bptt::UNROLL_ISA
