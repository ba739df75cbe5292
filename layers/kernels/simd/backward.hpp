// The loop back through time of every hand-derived kernel, around its unit. Internal: included by simd/*.cpp.
#pragma once

#include <algorithm>
#include <cstddef>

#include "layers/kernels/simd/forward.hpp"

namespace unroll::bptt::UNROLL_ISA {

// One sequence's row at one step.
template <class S, class Unit>
struct BackwardRow {
  static constexpr UnitLayout kLayout = Unit::kLayout;
  static constexpr std::size_t kGates = kLayout.gates;
  static constexpr bool kApart = kLayout.candidate == Candidate::apart;
  static constexpr bool kReads = kLayout.candidate == Candidate::reads;
  // Consecutive rows are processed as one: nothing depends on the sequence.
  static constexpr bool kFlat = kGates == 1 && !kLayout.has_cell && !kLayout.mixes_h;
  using V = Batch<S>;

  const BackwardLoop<S>& f;
  std::size_t at, sequence;      // the row among all, and the sequence in the batch
  const S *h_before, *c_before;  // the state before the step
  const S *up, *d_hidden;        // gradients of h from above (or null) and from later steps

  void run(std::size_t first, std::size_t last) const {
    const Unit unit = unit_of<Unit>(f.option);
    const std::size_t H = f.H;
    const S *gates = f.gates + at * kGates * H, *output = f.output + at * f.P;
    const S* candidate = kApart ? f.candidate + at * H : nullptr;
    const S* cell = kLayout.has_cell ? f.cell + at * H : nullptr;
    const S* tanh_cell = kLayout.has_cell && f.tanh_cell != nullptr ? f.tanh_cell + at * H : nullptr;
    S *dh = f.dh + sequence * f.P, *da = f.da + at * kGates * H;
    S* dc = kLayout.has_cell ? f.dc + sequence * H : nullptr;
    S* d_candidate = kApart ? f.d_candidate + at * H : nullptr;
    for_lanes<S>(first, last, [&](const auto& lane) {
      UnitStep<V, kGates> s;
      UnitGradient<V, kGates> d;
      if constexpr (kLayout.keeps_gate) {
        for (std::size_t k = 0; k < kGates; ++k) s.gate[k] = lane.load(gates + k * H);
      } else {
        s.h = lane.load(output);
      }
      if constexpr (kLayout.mixes_h) s.h = lane.load(h_before);
      if constexpr (kApart) s.candidate = lane.load(candidate);
      d.h = lane.load(d_hidden);
      if (up != nullptr) d.h += lane.load(up);
      if constexpr (kLayout.has_cell) {
        s.c = lane.load(c_before);
        s.tanh_c = tanh_cell != nullptr ? lane.load(tanh_cell) : tanh<S>(lane.load(cell));
        d.c = lane.load(dc);
      }
      unit.backward(s, d);
      for (std::size_t k = 0; k < kGates; ++k) lane.store(da + k * H, d.gate[k]);
      if constexpr (kApart) lane.store(d_candidate, d.candidate);
      if constexpr (kLayout.has_cell) lane.store(dc, d.c);
      if constexpr (kLayout.mixes_h) lane.store(dh, d.h);
    });
  }

  void read(std::size_t first, std::size_t last) const {
    const Unit unit = unit_of<Unit>(f.option);
    const std::size_t H = f.H;
    const S *gates = f.gates + at * kGates * H, *d_candidate = f.d_candidate + sequence * H;
    S *dh = f.dh + sequence * H, *da = f.da + at * kGates * H;
    for_lanes<S>(first, last, [&](const auto& lane) {
      UnitStep<V, kGates> s;
      UnitGradient<V, kGates> d;
      for (std::size_t k = 0; k + 1 < kGates; ++k) s.gate[k] = lane.load(gates + k * H);
      s.h = lane.load(h_before);
      d.gate[0] = lane.load(da);
      d.candidate = lane.load(d_candidate);
      d.h = lane.load(dh);
      unit.read_backward(s, d);
      lane.store(da, d.gate[0]);
      lane.store(dh, d.h);
    });
  }
};

// to += from, from first to last
template <class S>
void add(std::size_t first, std::size_t last, const S* from, S* to) {
  for_lanes<S>(first, last, [&](const auto& lane) { lane.store(to, lane.load(to) + lane.load(from)); });
}

template <class S, class Unit>
void backward(const BackwardLoop<S>& f) noexcept {
  using Row = BackwardRow<S, Unit>;
  constexpr UnitLayout kLayout = Unit::kLayout;
  const TimeLoop& steps = f.steps;
  const std::size_t H = f.H, P = f.P, G = Row::kGates * H, b = steps.begin, batch = steps.batch;
  const std::size_t first = f.units.begin, last = f.units.end;
  const bool projects = f.projection.numbers != nullptr;
  S* const dh = f.dh + b * P;
  S* const dc = kLayout.has_cell ? f.dc + b * H : nullptr;
  S* const d_hidden = projects ? f.d_hidden + b * H : dh;
  for (std::size_t k = steps.count; k-- > 0;) {
    const std::size_t t = steps.time(k), rows = steps.batch_size(t), at = steps.first(t),
                      kept = steps.continued(k);
    if (rows == 0) continue;
    const S* up = f.up_output == nullptr ? nullptr : f.up_output + at * P;
    if (kLayout.has_cell && f.up_cell != nullptr) {
      for (std::size_t row = 0; row < rows * H; row += H)
        add(row + first, row + last, f.up_cell + at * H, dc);
    }
    if (projects) {
      if (up != nullptr) add(0, rows * P, up, dh);
      up = nullptr;
      std::copy(dh, dh + rows * P, f.dh_steps + at * P);
      PackedGemm<S>{rows, H, P, dh, P, 1, f.projection, false, d_hidden, H, batch}.run();
    }
    // The state before a step: the previous step's result, or the initial state.
    const std::size_t before = kept == 0 ? 0 : steps.first(steps.time(k - 1));
    const auto row = [&](std::size_t r) {
      Row result{f, at + r, b + r, nullptr, nullptr, up == nullptr ? nullptr : up + r * H, d_hidden + r * H};
      if constexpr (kLayout.mixes_h)
        result.h_before = r < kept ? f.output + (before + r) * P : f.h0 + (b + r) * P;
      if constexpr (kLayout.has_cell)
        result.c_before = r < kept ? f.cell + (before + r) * H : f.c0 + (b + r) * H;
      return result;
    };
    const bool flat = Row::kFlat && !f.units.is_split();
    for (std::size_t r = 0; r < (flat ? 1 : rows); ++r) row(r).run(first, flat ? rows * H : last);
    const S* da = f.da + at * G;
    const auto candidate_weight = columns_from(first, f.candidate_weight);
    const std::size_t count = f.units.count();
    if constexpr (Row::kReads) {
      f.units.arrive_and_wait();
      S* const d_read = f.d_candidate + b * H;
      PackedGemm<S>{rows, count, H, da + G - H, G, 1, candidate_weight, false, d_read + first, H, batch}
          .run();
      for (std::size_t r = 0; r < rows; ++r) row(r).read(first, last);
    }
    if (k == 0 && !f.needs_state) break;
    f.units.arrive_and_wait();  // the gradient of a unit's h is that of all units' gates
    const std::size_t columns = projects ? P : count, direct = kLayout.direct() * H;
    const auto weight = columns_from(first, f.recurrent);
    PackedGemm<S>{rows, columns, direct, da, G, 1, weight, kLayout.mixes_h, dh + first, P, batch}.run();
    if constexpr (Row::kApart) {
      const S* d_candidate = f.d_candidate + at * H;
      PackedGemm<S>{rows, count, H, d_candidate, H, 1, candidate_weight, true, dh + first, P, batch}.run();
    }
  }
}

// The table of a unit, for both scalar types.
template <template <class> class Unit>
constexpr kernel::ForScalars<UnitKernel> unit_kernel(const char* op) {
  return {{op, Unit<float>::kLayout, &forward<float, Unit<float>>, &backward<float, Unit<float>>},
          {op, Unit<double>::kLayout, &forward<double, Unit<double>>, &backward<double, Unit<double>>}};
}

}  // namespace unroll::bptt::UNROLL_ISA
