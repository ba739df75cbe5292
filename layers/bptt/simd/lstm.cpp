#include "framework/kernels/packed_gemm.hpp"
#include "layers/bptt/lstm_loop.hpp"

namespace unroll::bptt::UNROLL_ISA {
namespace {

using namespace kernel::UNROLL_ISA;

// One row of one step. a (4H) holds the pre-activations without bias and receives i f g o if kKeep; c (H) the
// old cell state and receives the new one.
template <class S, bool kKeep>
void cell_forward(std::size_t hidden, const S* bias, S* a, S* c, S* cell, S* tanh_cell, S* m, S* h) {
  for_lanes<S>(hidden, [&](const auto& lane) {
    const auto i = sigmoid(lane.load(a) + lane.load(bias));
    const auto f = sigmoid(lane.load(a + hidden) + lane.load(bias + hidden));
    const auto g = tanh(lane.load(a + 2 * hidden) + lane.load(bias + 2 * hidden));
    const auto o = sigmoid(lane.load(a + 3 * hidden) + lane.load(bias + 3 * hidden));
    const auto next = f * lane.load(c) + i * g;
    const auto squashed = tanh(next);
    lane.store(c, next);
    if constexpr (kKeep) {
      lane.store(a, i);
      lane.store(a + hidden, f);
      lane.store(a + 2 * hidden, g);
      lane.store(a + 3 * hidden, o);
      lane.store(cell, next);
      if (tanh_cell != nullptr) lane.store(tanh_cell, squashed);
    }
    const auto out = o * squashed;
    lane.store(m, out);
    lane.store(h, out);
  });
}

// The way back through one row. dm: d loss / d (o tanh c); dc (H) comes in as the gradient of c from later
// steps and leaves as that of the previous c; da (4H) receives the gradient of the pre-activations.
template <class S>
void cell_backward(std::size_t hidden, const S* gates, const S* cell, const S* tanh_cell, const S* c_before,
                   const S* dm, const S* up, S* dc, S* da) {
  for_lanes<S>(hidden, [&](const auto& lane) {
    const auto i = lane.load(gates), f = lane.load(gates + hidden), g = lane.load(gates + 2 * hidden),
               o = lane.load(gates + 3 * hidden);
    const auto squashed = tanh_cell != nullptr ? lane.load(tanh_cell) : tanh(lane.load(cell));
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

// to += from
template <class S>
void add(std::size_t n, const S* from, S* to) {
  for_lanes<S>(n, [&](const auto& lane) { lane.store(to, lane.load(to) + lane.load(from)); });
}

template <class S>
void forward(const LstmForwardLoop<S>& f) noexcept {
  const TimeLoop& steps = f.steps;
  const std::size_t H = f.H, P = f.P, G = 4 * H, b = steps.begin;
  const bool projects = f.projection != nullptr, keep = f.cell != nullptr, alone = steps.batch == 1;
  S* h = f.h + b * P;
  S* c = f.c + b * H;
  for (std::size_t k = 0; k < steps.count; ++k) {
    const std::size_t t = steps.time(k), rows = steps.rows(t), at = steps.first(t);
    S* a = f.gates + at * G;
    S* hidden = f.hidden + at * H;
    S* output = f.output + at * P;
    PackedGemm<S>{rows, G, P, h, P, 1, f.recurrent, true, a, G, alone}.run();
    for (std::size_t r = 0; r < rows; ++r) {
      S* m = hidden + r * H;
      S* next = projects ? m : h + r * H;
      if (keep) {
        cell_forward<S, true>(H, f.bias, a + r * G, c + r * H, f.cell + (at + r) * H,
                              f.tanh_cell == nullptr ? nullptr : f.tanh_cell + (at + r) * H, m, next);
      } else {
        cell_forward<S, false>(H, f.bias, a + r * G, c + r * H, nullptr, nullptr, m, next);
      }
    }
    if (projects) {
      PackedGemm<S>{rows, P, H, hidden, H, 1, f.projection, false, output, P, alone}.run();
      std::copy(output, output + rows * P, h);
    }
  }
}

template <class S>
void backward(const LstmBackwardLoop<S>& f) noexcept {
  const TimeLoop& steps = f.steps;
  const std::size_t H = f.H, P = f.P, G = 4 * H, b = steps.begin;
  const bool projects = f.projection != nullptr, alone = steps.batch == 1;
  S* dh = f.dh + b * P;
  S* dc = f.dc + b * H;
  for (std::size_t k = steps.count; k-- > 0;) {
    const std::size_t t = steps.time(k), rows = steps.rows(t), at = steps.first(t), kept = steps.continued(k);
    if (rows == 0) continue;
    const S* up = f.up_output == nullptr ? nullptr : f.up_output + at * P;
    if (f.up_cell != nullptr) add(rows * H, f.up_cell + at * H, dc);
    const S* dm = dh;
    if (projects) {
      if (up != nullptr) add(rows * P, up, dh);
      up = nullptr;
      std::copy(dh, dh + rows * P, f.dh_steps + at * P);
      S* d_hidden = f.d_hidden + b * H;
      PackedGemm<S>{rows, H, P, dh, P, 1, f.projection, false, d_hidden, H, alone}.run();
      dm = d_hidden;
    }
    const S* before = k == 0 ? nullptr : f.cell + steps.first(steps.time(k - 1)) * H;
    for (std::size_t r = 0; r < rows; ++r) {
      const S* c_before = r < kept ? before + r * H : f.c0 + (b + r) * H;
      cell_backward(H, f.gates + (at + r) * G, f.cell + (at + r) * H,
                    f.tanh_cell == nullptr ? nullptr : f.tanh_cell + (at + r) * H, c_before, dm + r * H,
                    up == nullptr ? nullptr : up + r * H, dc + r * H, f.da + (at + r) * G);
    }
    if (k == 0 && !f.state_wanted) break;
    PackedGemm<S>{rows, P, G, f.da + at * G, G, 1, f.recurrent, false, dh, P, alone}.run();
  }
}

}  // namespace

extern constexpr kernel::ForScalars<LstmLoops> lstm_loops_table{{&forward<float>, &backward<float>},
                                                                {&forward<double>, &backward<double>}};

}  // namespace unroll::bptt::UNROLL_ISA
