#include "framework/kernels/packed_gemm.hpp"
#include "layers/kernels/lstm_loop.hpp"

namespace unroll::bptt::UNROLL_ISA {
namespace {

using namespace kernel::UNROLL_ISA;

// The row of one sequence at one step: a (4H) receives i f g o if kKeep, c (H) is the old cell state and
// receives the new one.
template <class S, bool kKeep>
struct ForwardRow {
  std::size_t H;
  S *a, *c;
  S *cell, *tanh_cell;  // if kKeep; tanh_cell may be null

  // From the pre-activations of some lanes: o tanh(c).
  template <class Lane>
  Batch<S> cell_of(const Lane& lane, const Batch<S>& i_in, const Batch<S>& f_in, const Batch<S>& g_in,
                   const Batch<S>& o_in) const {
    const auto i = sigmoid<S>(i_in), f = sigmoid<S>(f_in), g = tanh<S>(g_in), o = sigmoid<S>(o_in);
    const auto next = f * lane.load(c) + i * g;
    const auto squashed = tanh<S>(next);
    lane.store(c, next);
    if constexpr (kKeep) {
      lane.store(a, i);
      lane.store(a + H, f);
      lane.store(a + 2 * H, g);
      lane.store(a + 3 * H, o);
      lane.store(cell, next);
      if (tanh_cell != nullptr) lane.store(tanh_cell, squashed);
    }
    return o * squashed;
  }

  // a holds the pre-activations without bias; m (H) receives o tanh(c).
  void run(const UnitRange& units, const S* bias, S* m) const {
    for_lanes<S>(units.begin, units.end, [&](const auto& lane) {
      const auto gate = [&](std::size_t k) { return lane.load(a + k * H) + lane.load(bias + k * H); };
      lane.store(m, cell_of(lane, gate(0), gate(1), gate(2), gate(3)));
    });
  }

  // The same with the products of a batch of one, whose sums go into the cell without a way through memory.
  // x (I), unless a holds W_ih x; h_before and h (H), which differ. For H in whole registers.
  void run_alone(const LstmForwardLoop<S>& f, const S* x, const S* h_before, S* h) const {
    using V = Batch<S>;
    for (std::size_t unit = f.units.begin; unit < f.units.end; unit += V::size) {
      GateSums sums;
      for (std::size_t k = 0; k < 4; ++k) {
        sums.sum[0][k] = V::load_unaligned(f.bias + k * H + unit);
        for (std::size_t part = 1; part < kParts; ++part) sums.sum[part][k] = V(S(0));
      }
      // While a step waits for the h before it, the next steps' inputs are multiplied.
      if (f.input.numbers != nullptr) {
        sums.add_product(f.input, f.I, x, H, unit);
      } else {
        for (std::size_t k = 0; k < 4; ++k) sums.sum[0][k] += V::load_unaligned(a + k * H + unit);
      }
      sums.add_product(f.recurrent, H, h_before, H, unit);
      const Lanes<S, true> lane{unit, V::size};
      lane.store(h, cell_of(lane, sums.total(0), sums.total(1), sums.total(2), sums.total(3)));
    }
  }

 private:
  static constexpr std::size_t kParts = kManyRegisters ? 4 : 2;  // of the sums, which run at once

  // The pre-activations of one register of units.
  struct GateSums {
    using V = Batch<S>;
    V sum[kParts][4];

    // += row W, for W (n,4H)
    [[gnu::always_inline]] void add_product(const kernel::Panels<S>& W, std::size_t n, const S* row,
                                            std::size_t hidden, std::size_t unit) {
      const S* weight[4];
      for (std::size_t k = 0; k < 4; ++k) {
        const std::size_t column = k * hidden + unit;
        weight[k] = W.numbers + column / V::size * W.panel;
      }
      const auto add = [&](std::size_t p, std::size_t part) {
        const V factor(row[p]);
        for (std::size_t k = 0; k < 4; ++k)
          sum[part][k] = xsimd::fma(factor, V::load_unaligned(weight[k] + p * W.row), sum[part][k]);
      };
      std::size_t p = 0;
      for (; p + kParts <= n; p += kParts) {
        for (std::size_t part = 0; part < kParts; ++part) add(p + part, part);
      }
      for (; p < n; ++p) add(p, 0);
    }
    V total(std::size_t k) const {
      return sum_of<V, kParts>([&](std::size_t part) { return sum[part][k]; });
    }
  };
};

// The way back through one row. dm: d loss / d (o tanh c); dc (H) comes in as the gradient of c from later
// steps and leaves as that of the previous c; da (4H) receives the gradient of the pre-activations.
template <class S>
void cell_backward(const UnitRange& units, std::size_t hidden, const S* gates, const S* cell,
                   const S* tanh_cell, const S* c_before, const S* dm, const S* up, S* dc, S* da) {
  for_lanes<S>(units.begin, units.end, [&](const auto& lane) {
    const auto i = lane.load(gates), f = lane.load(gates + hidden), g = lane.load(gates + 2 * hidden),
               o = lane.load(gates + 3 * hidden);
    const auto squashed = tanh_cell != nullptr ? lane.load(tanh_cell) : tanh<S>(lane.load(cell));
    auto d_m = lane.load(dm);
    if (up != nullptr) d_m += lane.load(up);
    const auto d_o = d_m * squashed;
    const auto d_c = lane.load(dc) + d_m * o * (S(1) - squashed * squashed);
    lane.store(da, d_c * g * i * (S(1) - i));
    lane.store(da + hidden, d_c * lane.load(c_before) * f * (S(1) - f));
    lane.store(da + 2 * hidden, d_c * i * (S(1) - g * g));
    lane.store(da + 3 * hidden, d_o * o * (S(1) - o));
    lane.store(dc, d_c * f);
  });
}

// to += from, from first to last
template <class S>
void add(std::size_t first, std::size_t last, const S* from, S* to) {
  for_lanes<S>(first, last, [&](const auto& lane) { lane.store(to, lane.load(to) + lane.load(from)); });
}

template <class S, bool kKeep>
ForwardRow<S, kKeep> row_at(const LstmForwardLoop<S>& f, std::size_t at, S* c) {
  const std::size_t H = f.H;
  if constexpr (!kKeep) return {H, f.gates + at * 4 * H, c, nullptr, nullptr};
  return {H, f.gates + at * 4 * H, c, f.cell + at * H,
          f.tanh_cell == nullptr ? nullptr : f.tanh_cell + at * H};
}

template <class S, bool kKeep>
void forward_alone(const LstmForwardLoop<S>& f) {
  const TimeLoop& steps = f.steps;
  const S* h = f.h;
  for (std::size_t k = 0; k < steps.count; ++k) {
    const std::size_t t = steps.time(k), at = steps.first(t);
    if (steps.batch_size(t) == 0) continue;
    S* output = f.output + at * f.H;
    row_at<S, kKeep>(f, at, f.c).run_alone(f, f.x + at * f.I, h, output);
    f.units.arrive_and_wait();
    h = output;
  }
  if (h != f.h) std::copy(h + f.units.begin, h + f.units.end, f.h + f.units.begin);
}

// a (rows,4H) += h W_hh^T for the gates of this thread's units.
template <class S>
void add_recurrent(const LstmForwardLoop<S>& f, std::size_t rows, const S* h, S* a) {
  const std::size_t H = f.H, P = f.P, G = 4 * H;
  const std::size_t batch = f.steps.batch;
  if (!f.units.is_split()) return PackedGemm<S>{rows, G, P, h, P, 1, f.recurrent, true, a, G, batch}.run();
  for (std::size_t column = f.units.begin; column < G; column += H) {
    const auto weight = columns_from(column, f.recurrent);
    PackedGemm<S>{rows, f.units.count(), P, h, P, 1, weight, true, a + column, G, batch}.run();
  }
}

template <class S>
void forward(const LstmForwardLoop<S>& f) noexcept {
  const TimeLoop& steps = f.steps;
  const std::size_t H = f.H, P = f.P, G = 4 * H, b = steps.begin;
  if (f.alone) return f.cell != nullptr ? forward_alone<S, true>(f) : forward_alone<S, false>(f);
  const bool projects = f.projection.numbers != nullptr, keep = f.cell != nullptr;
  S* const h = f.h + b * P;
  S* const c = f.c + b * H;
  const S* h_before = h;
  for (std::size_t k = 0; k < steps.count; ++k) {
    const std::size_t t = steps.time(k), rows = steps.batch_size(t), at = steps.first(t);
    if (rows == 0) continue;
    S* a = f.gates + at * G;
    S* hidden = f.hidden + at * H;
    S* output = f.output + at * P;
    add_recurrent(f, rows, h_before, a);
    for (std::size_t r = 0; r < rows; ++r) {
      if (keep) {
        row_at<S, true>(f, at + r, c + r * H).run(f.units, f.bias, hidden + r * H);
      } else {
        row_at<S, false>(f, at + r, c + r * H).run(f.units, f.bias, hidden + r * H);
      }
    }
    if (projects) {
      PackedGemm<S>{rows, P, H, hidden, H, 1, f.projection, false, output, P, steps.batch}.run();
    }
    f.units.arrive_and_wait();
    if (steps.is_dense()) {
      h_before = output;
    } else {
      std::copy(output, output + rows * P, h);
    }
  }
  if (h_before != h) {
    const std::size_t first = projects ? 0 : f.units.begin, last = projects ? P : f.units.end;
    for (std::size_t row = 0; row < (steps.end - b) * P; row += P)
      std::copy(h_before + row + first, h_before + row + last, h + row + first);
  }
}

template <class S>
void backward(const LstmBackwardLoop<S>& f) noexcept {
  const TimeLoop& steps = f.steps;
  const std::size_t H = f.H, P = f.P, G = 4 * H, b = steps.begin;
  const bool projects = f.projection.numbers != nullptr;
  S* dh = f.dh + b * P;
  S* dc = f.dc + b * H;
  for (std::size_t k = steps.count; k-- > 0;) {
    const std::size_t t = steps.time(k), rows = steps.batch_size(t), at = steps.first(t),
                      kept = steps.continued(k);
    if (rows == 0) continue;
    const S* up = f.up_output == nullptr ? nullptr : f.up_output + at * P;
    if (f.up_cell != nullptr) {
      for (std::size_t row = 0; row < rows * H; row += H)
        add(row + f.units.begin, row + f.units.end, f.up_cell + at * H, dc);
    }
    const S* dm = dh;
    if (projects) {
      if (up != nullptr) add(0, rows * P, up, dh);
      up = nullptr;
      std::copy(dh, dh + rows * P, f.dh_steps + at * P);
      S* d_hidden = f.d_hidden + b * H;
      PackedGemm<S>{rows, H, P, dh, P, 1, f.projection, false, d_hidden, H, steps.batch}.run();
      dm = d_hidden;
    }
    const S* before = kept == 0 ? nullptr : f.cell + steps.first(steps.time(k - 1)) * H;
    for (std::size_t r = 0; r < rows; ++r) {
      const S* c_before = r < kept ? before + r * H : f.c0 + (b + r) * H;
      cell_backward(f.units, H, f.gates + (at + r) * G, f.cell + (at + r) * H,
                    f.tanh_cell == nullptr ? nullptr : f.tanh_cell + (at + r) * H, c_before, dm + r * H,
                    up == nullptr ? nullptr : up + r * H, dc + r * H, f.da + (at + r) * G);
    }
    if (k == 0 && !f.state_wanted) break;
    f.units.arrive_and_wait();  // the gradient of a unit's h is that of all units' gates
    const std::size_t begin = projects ? 0 : f.units.begin, count = projects ? P : f.units.count();
    const auto weight = columns_from(begin, f.recurrent);
    PackedGemm<S>{rows, count, G, f.da + at * G, G, 1, weight, false, dh + begin, P, steps.batch}.run();
  }
}

}  // namespace

extern constexpr kernel::ForScalars<LstmLoops> lstm_loops_table{{&forward<float>, &backward<float>},
                                                                {&forward<double>, &backward<double>}};

}  // namespace unroll::bptt::UNROLL_ISA
