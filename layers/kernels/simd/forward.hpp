// The forward loop over time of every hand-derived kernel, around its unit. Internal: included by simd/*.cpp.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <utility>

#include "framework/kernels/packed_gemm.hpp"
#include "layers/kernels/unit.hpp"

namespace unroll::bptt::UNROLL_ISA {

using namespace kernel::UNROLL_ISA;  // products and lanes

// The pre-activations of kCount gates of a batch of one, for kWide registers of units. Each is summed in
// several parts to keep the multipliers busy.
template <class S, std::size_t kCount, std::size_t kWide>
struct GateSums {
  using V = Batch<S>;
  static constexpr std::size_t kSums = kCount * kWide;
  static constexpr std::size_t kParts =
      std::min<std::size_t>(std::bit_floor((kManyRegisters ? std::size_t{16} : std::size_t{8}) / kSums), 8);
  V sum[kParts][kSums];  // registers of a gate side by side

  // bias: that of the first gate.
  [[gnu::always_inline]] void begin(const S* bias, std::size_t hidden, std::size_t unit) {
    for (std::size_t k = 0; k < kSums; ++k) {
      sum[0][k] = V::load_unaligned(bias + column(k, hidden, unit));
      for (std::size_t part = 1; part < kParts; ++part) sum[part][k] = V(S(0));
    }
  }
  // Adds the product row W to the first kUsed gates; W is (n, H for each gate of it), its first gate kFirst.
  template <std::size_t kFirst, std::size_t kUsed>
  [[gnu::always_inline]] void add_product(const kernel::Panels<S>& W, std::size_t n, const S* row,
                                          std::size_t hidden, std::size_t unit) {
    const S* weight[kUsed * kWide];
    for (std::size_t k = 0; k < kUsed * kWide; ++k)
      weight[k] = W.numbers + column(kFirst * kWide + k, hidden, unit) / V::size * W.panel;
    const auto add = [&](std::size_t p, std::size_t part) {
      const V factor(row[p]);
      for (std::size_t k = 0; k < kUsed * kWide; ++k)
        sum[part][k] = xsimd::fma(factor, V::load_unaligned(weight[k] + p * W.row), sum[part][k]);
    };
    std::size_t p = 0;
    for (; p + kParts <= n; p += kParts) {
      for (std::size_t part = 0; part < kParts; ++part) add(p + part, part);
    }
    for (; p < n; ++p) add(p, 0);
  }
  // Unrolled here, like sum_of, so that the sums stay in registers. gate[i]: of register `wide`.
  template <std::size_t kRegister>
  [[gnu::always_inline]] void totals(V* gate) const {
    [&]<std::size_t... k>(std::index_sequence<k...>) {
      ((gate[k] = sum_of<V, kParts>([&](std::size_t part) { return sum[part][k * kWide + kRegister]; })),
       ...);
    }
    (std::make_index_sequence<kCount>{});
  }
  // The position of the k-th sum.
  static std::size_t column(std::size_t k, std::size_t hidden, std::size_t unit) {
    return k / kWide * hidden + unit + k % kWide * V::size;
  }
};

template <class Unit>
Unit unit_of(bool option) {
  Unit unit;
  if constexpr (requires { unit.option; }) unit.option = option;
  return unit;
}

// One sequence's row at one step.
template <class S, class Unit, bool kKeep>
struct ForwardRow {
  static constexpr UnitLayout kLayout = Unit::kLayout;
  static constexpr std::size_t kGates = kLayout.gates, kDirect = kLayout.direct();
  static constexpr bool kApart = kLayout.candidate == Candidate::apart;
  static constexpr bool kReads = kLayout.candidate == Candidate::reads;
  static constexpr std::size_t kFirst = kReads ? kDirect : 0;  // gate that comes first after read()
  using V = Batch<S>;
  using Step = UnitStep<V, kGates>;

  const ForwardLoop<S>& f;
  Unit unit;
  std::size_t H;
  S *gates, *candidate;
  const S* h;
  S *c, *cell, *tanh_cell, *hidden;

  // at: the row among all; sequence: in the loop.
  ForwardRow(const ForwardLoop<S>& loop, std::size_t at, std::size_t sequence, const S* h_before)
      : f(loop),
        unit(unit_of<Unit>(loop.option)),
        H(loop.H),
        gates(loop.gates + at * kGates * H),
        h(h_before),
        hidden(loop.hidden + at * H) {
    if constexpr (kApart || kReads) candidate = loop.candidate + at * H;
    if constexpr (kLayout.has_cell) {
      c = loop.c + (loop.steps.begin + sequence) * H;
      if constexpr (kKeep) {
        cell = loop.cell + at * H;
        tanh_cell = loop.tanh_cell == nullptr ? nullptr : loop.tanh_cell + at * H;
      }
    }
  }

  template <class Lane>
  V pre_activation(const Lane& lane, std::size_t gate) const {
    return lane.load(gates + gate * H) + lane.load(f.bias + gate * H);
  }

  // gates hold all products. With Candidate::reads only those of the last gate: read() has computed the
  // others.
  [[gnu::always_inline]] void run() const {
    for_lanes<S>(f.units.begin, f.units.end, [&](const auto& lane) {
      Step s;
      for (std::size_t k = 0; k < kGates; ++k)
        s.gate[k] = k < kFirst ? lane.load(gates + k * H) : pre_activation(lane, k);
      if constexpr (kApart) s.candidate = lane.load(candidate) + lane.load(f.candidate_bias);
      finish(lane, s);
    });
  }
  [[gnu::always_inline]] void read() const {
    for_lanes<S>(f.units.begin, f.units.end, [&](const auto& lane) {
      Step s;
      for (std::size_t k = 0; k < kDirect; ++k) s.gate[k] = pre_activation(lane, k);
      finish_read(lane, s);
    });
  }

  // The same with the products of a batch of one, whose sums go to the unit in registers. x (I), unless gates
  // hold W_ih x; h and hidden differ. For H in whole registers.
  void run_single(const S* x) const {
    if constexpr (kReads) {
      constexpr std::size_t kWide = wide_of(kDirect);
      std::size_t at = f.units.begin;
      for (; at + wide_step<kWide, kDirect>() <= f.units.end; at += kWide * V::size)
        read_registers<kWide>(at, x);
      for (; at < f.units.end; at += V::size) read_registers<1>(at, x);
      f.units.arrive_and_wait();  // W_hn reads what all units have made
    }
    constexpr std::size_t kCount = kGates - kFirst, kWide = wide_of(kCount);
    std::size_t at = f.units.begin;
    for (; at + wide_step<kWide, kCount>() <= f.units.end; at += kWide * V::size) run_registers<kWide>(at, x);
    for (; at < f.units.end; at += V::size) run_registers<1>(at, x);
  }

 private:
  // Registers of units at a time: up to eight sums for every element of a row that is read.
  static constexpr std::size_t wide_of(std::size_t gates) { return gates == 1 ? 4 : gates <= 4 ? 2 : 1; }
  // Units per iteration; more than H, so never, if their weights do not fit a first-level cache.
  template <std::size_t kWide, std::size_t kCount>
  std::size_t wide_step() const {
    constexpr std::size_t kCache = kCount > 2 ? 24576 : 32768, kUnits = kWide * V::size;
    return kWide == 1 || kUnits * kCount * f.P * sizeof(S) <= kCache ? kUnits : f.H + 1;
  }

  template <std::size_t kWide>
  [[gnu::always_inline]] void read_registers(std::size_t at, const S* x) const {
    GateSums<S, kDirect, kWide> sums;
    begin<0>(sums, at, x);
    sums.template add_product<0, kDirect>(f.recurrent, f.P, h, H, at);
    finish_read_registers<0>(sums, at);
  }
  template <std::size_t kRegister, std::size_t kWide>
  [[gnu::always_inline]] void finish_read_registers(const GateSums<S, kDirect, kWide>& sums,
                                                    std::size_t at) const {
    Step s;
    sums.template totals<kRegister>(s.gate);
    finish_read(Lanes<S, true>{at + kRegister * V::size, V::size}, s);
    if constexpr (kRegister + 1 < kWide) finish_read_registers<kRegister + 1>(sums, at);
  }
  template <std::size_t kWide>
  [[gnu::always_inline]] void run_registers(std::size_t at, const S* x) const {
    // While a step waits for the previous h, the next steps' inputs are multiplied.
    GateSums<S, kGates - kFirst, kWide> sums;
    begin<kFirst>(sums, at, x);
    if constexpr (kReads) {
      sums.template add_product<0, 1>(f.candidate_weight, f.P, candidate, H, at);
    } else {
      sums.template add_product<0, kDirect>(f.recurrent, f.P, h, H, at);
    }
    finish_registers<0>(sums, at);
  }
  template <std::size_t kRegister, std::size_t kWide>
  [[gnu::always_inline]] void finish_registers(const GateSums<S, kGates - kFirst, kWide>& sums,
                                               std::size_t at) const {
    const Lanes<S, true> lane{at + kRegister * V::size, V::size};
    Step s;
    for (std::size_t k = 0; k < kFirst; ++k) s.gate[k] = lane.load(gates + k * H);
    sums.template totals<kRegister>(s.gate + kFirst);
    if constexpr (kApart) {
      GateSums<S, 1, 1> apart;
      apart.begin(f.candidate_bias, H, lane.at);
      apart.template add_product<0, 1>(f.candidate_weight, f.P, h, H, lane.at);
      apart.template totals<0>(&s.candidate);
    }
    finish(lane, s);
    if constexpr (kRegister + 1 < kWide) finish_registers<kRegister + 1>(sums, at);
  }
  // Biases and W_ih x of some gates.
  template <std::size_t kFrom, std::size_t kCount, std::size_t kWide>
  [[gnu::always_inline]] void begin(GateSums<S, kCount, kWide>& sums, std::size_t at, const S* x) const {
    sums.begin(f.bias + kFrom * H, H, at);
    if (f.input.numbers != nullptr) {
      sums.template add_product<kFrom, kCount>(f.input, f.I, x, H, at);
    } else {
      for (std::size_t k = 0; k < sums.kSums; ++k)
        sums.sum[0][k] += V::load_unaligned(gates + sums.column(kFrom * kWide + k, H, at));
    }
  }

  template <class Lane>
  [[gnu::always_inline]] void finish_read(const Lane& lane, Step& s) const {
    s.h = lane.load(h);
    unit.read(s);
    for (std::size_t k = 0; k < kDirect; ++k) lane.store(gates + k * H, s.gate[k]);
    lane.store(candidate, s.candidate);
  }
  template <class Lane>
  [[gnu::always_inline]] void finish(const Lane& lane, Step& s) const {
    if constexpr (kLayout.has_cell) s.c = lane.load(c);
    if constexpr (kLayout.mixes_h) s.h = lane.load(h);
    unit.forward(s);
    if constexpr (kLayout.has_cell) lane.store(c, s.c);
    if constexpr (kKeep) {
      if constexpr (kLayout.keeps_gate) {
        for (std::size_t k = kFirst; k < kGates; ++k) lane.store(gates + k * H, s.gate[k]);
      }
      if constexpr (kApart) lane.store(candidate, s.candidate);
      if constexpr (kLayout.has_cell) {
        lane.store(cell, s.c);
        if (tanh_cell != nullptr) lane.store(tanh_cell, s.tanh_c);
      }
    }
    lane.store(hidden, s.h);
  }
};

// a (rows, H for each gate; row stride GH) += h W_hh^T for the gates that read h, of this thread's units.
template <std::size_t kGates, class S>
[[gnu::always_inline]] inline void add_recurrent(const ForwardLoop<S>& f, std::size_t rows, const S* h, S* a,
                                                 std::size_t stride) {
  // All gates at once, or this thread's share of each.
  const bool each = kGates == 1 || f.units.is_split();
  const std::size_t all = kGates * f.H, count = each ? f.units.count() : all, next = each ? f.H : all;
  for (std::size_t column = f.units.begin; column < all; column += next) {
    const auto weight = columns_from(column, f.recurrent);
    PackedGemm<S>{rows, count, f.P, h, f.P, 1, weight, true, a + column, stride, f.steps.batch}.run();
    if (kGates == 1) break;
  }
}

template <class S, class Unit, bool kKeep, bool kSingle>
void run_forward(const ForwardLoop<S>& f) {
  using Row = ForwardRow<S, Unit, kKeep>;
  const TimeLoop& steps = f.steps;
  const std::size_t H = f.H, P = f.P, G = Row::kGates * H, b = steps.begin;
  const std::size_t first = f.units.begin, units = f.units.count();
  const bool projects = f.projection.numbers != nullptr;
  S* const h = f.h + b * P;
  const S* h_before = h;
  for (std::size_t k = 0; k < steps.count; ++k) {
    const std::size_t t = steps.time(k), rows = steps.batch_size(t), at = steps.first(t);
    if (rows == 0) continue;
    S* a = f.gates + at * G;
    S* output = f.output + at * P;
    const auto row = [&](std::size_t r) { return Row(f, at + r, r, h_before + r * P); };
    if constexpr (kSingle) {
      row(0).run_single(f.x + at * f.I);
    } else {
      add_recurrent<Row::kDirect>(f, rows, h_before, a, G);
      if constexpr (Row::kApart) {
        const auto weight = columns_from(first, f.candidate_weight);
        PackedGemm<S>{rows, units,      P, h_before, P, 1, weight, false, f.candidate + at * H + first,
                      H,    steps.batch}
            .run();
      }
      if constexpr (Row::kReads) {
        for (std::size_t r = 0; r < rows; ++r) row(r).read();
        f.units.arrive_and_wait();  // W_hn reads what all units have made
        const auto weight = columns_from(first, f.candidate_weight);
        PackedGemm<S>{rows, units,      H, f.candidate + at * H, H, 1, weight, true, a + G - H + first,
                      G,    steps.batch}
            .run();
      }
      for (std::size_t r = 0; r < rows; ++r) row(r).run();
    }
    if (!kSingle && projects)
      PackedGemm<S>{rows, P, H, f.hidden + at * H, H, 1, f.projection, false, output, P, steps.batch}.run();
    f.units.arrive_and_wait();
    if (kSingle || steps.is_dense()) {
      h_before = output;
    } else {
      std::copy(output, output + rows * P, h);
    }
  }
  if (h_before == h) return;
  const std::size_t last = projects ? P : f.units.end;
  for (std::size_t row = 0; row < (steps.end - b) * P; row += P)
    std::copy(h_before + row + first, h_before + row + last, h + row + first);
}

template <class S, class Unit>
void forward(const ForwardLoop<S>& f) noexcept {
  if (f.single_row) {
    f.keep ? run_forward<S, Unit, true, true>(f) : run_forward<S, Unit, false, true>(f);
  } else {
    f.keep ? run_forward<S, Unit, true, false>(f) : run_forward<S, Unit, false, false>(f);
  }
}

}  // namespace unroll::bptt::UNROLL_ISA
