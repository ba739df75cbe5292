#include "framework/kernels/packed_gemm.hpp"
#include "layers/kernels/gru_loop.hpp"

namespace unroll::bptt::UNROLL_ISA {
namespace {

using namespace kernel::UNROLL_ISA;

// h' from z, n and h, in either convention.
template <class B>
B mix(bool z_keeps, const B& z, const B& n, const B& h) {
  return z_keeps ? n + z * (h - n) : h + z * (n - h);
}

// One row of one step, and what is added to it before the activations.
template <class S>
struct Row {
  const UnitRange& units;
  std::size_t hidden;
  const S* bias;     // (3H) what is added to the pre-activations outside the reset
  const S* bias_hn;  // (H) added inside it, reset after only
  S* gates;          // (3H) products in, r z n out
};

// Reset after; candidate (H) comes in as W_hn h.
template <class S>
void cell_forward_after(const Row<S>& row, bool z_keeps, S* candidate, const S* h, S* output) {
  const std::size_t H = row.hidden;
  S* a = row.gates;
  for_lanes<S>(row.units.begin, row.units.end, [&](const auto& lane) {
    const auto r = sigmoid(lane.load(a) + lane.load(row.bias));
    const auto z = sigmoid(lane.load(a + H) + lane.load(row.bias + H));
    const auto hn = lane.load(candidate) + lane.load(row.bias_hn);
    const auto n = tanh<S>(lane.load(a + 2 * H) + lane.load(row.bias + 2 * H) + r * hn);
    const auto next = mix(z_keeps, z, n, lane.load(h));
    lane.store(a, r);
    lane.store(a + H, z);
    lane.store(a + 2 * H, n);
    lane.store(candidate, hn);
    lane.store(output, next);
  });
}

// Reset before, first half: r and z, and r h as the input of the candidate's product.
template <class S>
void gates_forward_before(const Row<S>& row, const S* h, S* reset_h) {
  const std::size_t H = row.hidden;
  S* a = row.gates;
  for_lanes<S>(row.units.begin, row.units.end, [&](const auto& lane) {
    const auto r = sigmoid(lane.load(a) + lane.load(row.bias));
    lane.store(a, r);
    lane.store(a + H, sigmoid(lane.load(a + H) + lane.load(row.bias + H)));
    lane.store(reset_h, r * lane.load(h));
  });
}

// Second half: the candidate and the new state.
template <class S>
void candidate_forward_before(const Row<S>& row, bool z_keeps, const S* h, S* output) {
  const std::size_t H = row.hidden;
  S* a = row.gates;
  for_lanes<S>(row.units.begin, row.units.end, [&](const auto& lane) {
    const auto n = tanh<S>(lane.load(a + 2 * H) + lane.load(row.bias + 2 * H));
    const auto next = mix(z_keeps, lane.load(a + H), n, lane.load(h));
    lane.store(a + 2 * H, n);
    lane.store(output, next);
  });
}

// Through h' = mix(z, n, h): the pre-activation gradients of z and n into da; dh leaves as the direct share
// of h.
template <class S>
void mix_backward(const UnitRange& units, std::size_t H, bool z_keeps, const S* gates, const S* h_before,
                  const S* upstream, S* dh, S* da) {
  for_lanes<S>(units.begin, units.end, [&](const auto& lane) {
    const auto z = lane.load(gates + H), n = lane.load(gates + 2 * H);
    auto up = lane.load(dh);
    if (upstream != nullptr) up += lane.load(upstream);
    const auto difference = lane.load(h_before) - n;  // d h' / d z when z keeps
    const auto dz = z_keeps ? up * difference : -(up * difference);
    const auto keep = z_keeps ? z : S(1) - z;
    const auto dn = up * (S(1) - keep);
    lane.store(da + H, dz * z * (S(1) - z));
    lane.store(da + 2 * H, dn * (S(1) - n * n));
    lane.store(dh, up * keep);
  });
}

// Reset after: the gradients of r and of W_hn h + b_hn, from that of the candidate.
template <class S>
void reset_backward_after(const UnitRange& units, std::size_t H, const S* gates, const S* hn, S* da,
                          S* da_hn) {
  for_lanes<S>(units.begin, units.end, [&](const auto& lane) {
    const auto reset = lane.load(gates), dn = lane.load(da + 2 * H);
    lane.store(da, dn * lane.load(hn) * reset * (S(1) - reset));
    lane.store(da_hn, dn * reset);
  });
}

// Reset before: the gradient of r and the share of h, from the gradient d_rh of r h.
template <class S>
void reset_backward_before(const UnitRange& units, const S* gates, const S* h_before, const S* d_rh, S* da,
                           S* dh) {
  for_lanes<S>(units.begin, units.end, [&](const auto& lane) {
    const auto reset = lane.load(gates), up = lane.load(d_rh);
    lane.store(da, up * lane.load(h_before) * reset * (S(1) - reset));
    lane.store(dh, lane.load(dh) + up * reset);
  });
}

// A product of this thread's units.
template <class S>
void forward_product(const GruForwardLoop<S>& f, std::size_t rows, const S* h,
                     const kernel::Panels<S>& weight, std::size_t column, bool add, S* out,
                     std::size_t stride) {
  const std::size_t first = column + f.units.begin;
  PackedGemm<S>{rows,        f.units.count(), f.H,          h, f.H, 1, columns_from(first, weight), add,
                out + first, stride,          f.steps.batch}
      .run();
}

template <class S>
void forward(const GruForwardLoop<S>& f) noexcept {
  const TimeLoop& steps = f.steps;
  const std::size_t H = f.H, G = 3 * H;
  S* const h = f.h + steps.begin * H;
  const S* h_before = h;
  for (std::size_t k = 0; k < steps.count; ++k) {
    const std::size_t t = steps.time(k), rows = steps.batch_size(t), at = steps.first(t);
    if (rows == 0) continue;
    S* a = f.gates + at * G;
    S* candidate = f.candidate + at * H;
    S* output = f.output + at * H;
    const auto row = [&](std::size_t r) { return Row<S>{f.units, H, f.bias, f.bias_hn, a + r * G}; };
    if (f.units.is_split()) {
      forward_product(f, rows, h_before, f.weight_rz, 0, true, a, G);
      forward_product(f, rows, h_before, f.weight_rz, H, true, a, G);
    } else {
      PackedGemm<S>{rows, 2 * H, H, h_before, H, 1, f.weight_rz, true, a, G, steps.batch}.run();
    }
    if (f.reset_after) {
      forward_product(f, rows, h_before, f.weight_n, 0, false, candidate, H);
      for (std::size_t r = 0; r < rows; ++r) {
        cell_forward_after(row(r), f.z_keeps, candidate + r * H, h_before + r * H, output + r * H);
      }
    } else {
      for (std::size_t r = 0; r < rows; ++r)
        gates_forward_before(row(r), h_before + r * H, candidate + r * H);
      f.units.arrive_and_wait();
      forward_product(f, rows, candidate, f.weight_n, 0, true, a + 2 * H, G);
      for (std::size_t r = 0; r < rows; ++r)
        candidate_forward_before(row(r), f.z_keeps, h_before + r * H, output + r * H);
    }
    f.units.arrive_and_wait();
    if (steps.is_dense()) {
      h_before = output;
    } else {
      std::copy(output, output + rows * H, h);
    }
  }
  if (h_before != h) {
    for (std::size_t r = 0; r < (steps.end - steps.begin) * H; r += H)
      std::copy(h_before + r + f.units.begin, h_before + r + f.units.end, h + r + f.units.begin);
  }
}

// The same on the way back: out (rows,H) (+)= d (rows,K; row stride ld) W for this thread's units of h.
template <class S>
void backward_product(const GruBackwardLoop<S>& f, std::size_t rows, std::size_t K, const S* d,
                      std::size_t ld, const kernel::Panels<S>& weight, bool add, S* out) {
  const std::size_t first = f.units.begin;
  PackedGemm<S>{rows, f.units.count(), K, d, ld, 1, columns_from(first, weight), add, out + first,
                f.H,  f.steps.batch}
      .run();
}

template <class S>
void backward(const GruBackwardLoop<S>& f) noexcept {
  const TimeLoop& steps = f.steps;
  const std::size_t H = f.H, G = 3 * H, b = steps.begin;
  S* dh = f.dh + b * H;
  for (std::size_t k = steps.count; k-- > 0;) {
    const std::size_t t = steps.time(k), rows = steps.batch_size(t), at = steps.first(t),
                      kept = steps.continued(k);
    if (rows == 0) continue;
    const S* before = kept == 0 ? nullptr : f.output + steps.first(steps.time(k - 1)) * H;
    const auto h_before = [&](std::size_t r) { return r < kept ? before + r * H : f.h0 + (b + r) * H; };
    S* da = f.da + at * G;
    for (std::size_t r = 0; r < rows; ++r) {
      const S* gates = f.gates + (at + r) * G;
      const S* up = f.up_output != nullptr ? f.up_output + (at + r) * H : nullptr;
      mix_backward(f.units, H, f.z_keeps, gates, h_before(r), up, dh + r * H, da + r * G);
      if (f.reset_after)
        reset_backward_after(f.units, H, gates, f.candidate + (at + r) * H, da + r * G,
                             f.da_hn + (at + r) * H);
    }
    f.units.arrive_and_wait();  // the gradient of a unit's h is that of all units' gates
    if (!f.reset_after) {
      S* d_rh = f.d_reset_h + b * H;
      backward_product(f, rows, H, da + 2 * H, G, f.weight_n, false, d_rh);
      for (std::size_t r = 0; r < rows; ++r) {
        reset_backward_before(f.units, f.gates + (at + r) * G, h_before(r), d_rh + r * H, da + r * G,
                              dh + r * H);
      }
      f.units.arrive_and_wait();
    }
    if (k == 0 && !f.state_wanted) break;
    backward_product(f, rows, 2 * H, da, G, f.weight_rz, true, dh);
    if (f.reset_after) backward_product(f, rows, H, f.da_hn + at * H, H, f.weight_n, true, dh);
  }
}

}  // namespace

extern constexpr kernel::ForScalars<GruLoops> gru_loops_table{{&forward<float>, &backward<float>},
                                                              {&forward<double>, &backward<double>}};

}  // namespace unroll::bptt::UNROLL_ISA
