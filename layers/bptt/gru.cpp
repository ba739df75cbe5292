#include "layers/bptt/gru.hpp"

#include <algorithm>

#include "framework/kernels/simd.hpp"
#include "layers/bptt/products.hpp"

namespace unroll::bptt {
namespace {

// h' from z, n and h, in either convention.
template <class B>
B mix(bool z_keeps, const B& z, const B& n, const B& h) {
  return z_keeps ? n + z * (h - n) : h + z * (n - h);
}

// What the recurrent products leave per row before the activations.
template <class S>
struct Row {
  std::size_t hidden;
  const S* bias;     // (3H) what is added to the pre-activations outside the reset
  const S* bias_hn;  // (H) added inside it, reset after only
  S* gates;          // (3H) input product in, r z n out
};

template <class S>
void cell_forward_after(const Row<S>& row, bool z_keeps, const S* recurrent, S* candidate, S* h, S* output) {
  const std::size_t H = row.hidden;
  S* a = row.gates;
  kernel::for_lanes<S>(H, [&](const auto& lane) {
    const auto r = kernel::sigmoid(lane.load(a) + lane.load(row.bias) + lane.load(recurrent));
    const auto z = kernel::sigmoid(lane.load(a + H) + lane.load(row.bias + H) + lane.load(recurrent + H));
    const auto hn = lane.load(recurrent + 2 * H) + lane.load(row.bias_hn);
    const auto n = xsimd::tanh(lane.load(a + 2 * H) + lane.load(row.bias + 2 * H) + r * hn);
    const auto next = mix(z_keeps, z, n, lane.load(h));
    lane.store(a, r);
    lane.store(a + H, z);
    lane.store(a + 2 * H, n);
    lane.store(candidate, hn);
    lane.store(h, next);
    lane.store(output, next);
  });
}

// Reset before, first half: r and z, and r h as the input of the candidate's product.
template <class S>
void gates_forward_before(const Row<S>& row, const S* h, S* reset_h) {
  const std::size_t H = row.hidden;
  S* a = row.gates;
  kernel::for_lanes<S>(H, [&](const auto& lane) {
    const auto r = kernel::sigmoid(lane.load(a) + lane.load(row.bias));
    lane.store(a, r);
    lane.store(a + H, kernel::sigmoid(lane.load(a + H) + lane.load(row.bias + H)));
    lane.store(reset_h, r * lane.load(h));
  });
}

// Second half: the candidate and the new state.
template <class S>
void candidate_forward_before(const Row<S>& row, bool z_keeps, S* h, S* output) {
  const std::size_t H = row.hidden;
  S* a = row.gates;
  kernel::for_lanes<S>(H, [&](const auto& lane) {
    const auto n = xsimd::tanh(lane.load(a + 2 * H) + lane.load(row.bias + 2 * H));
    const auto next = mix(z_keeps, lane.load(a + H), n, lane.load(h));
    lane.store(a + 2 * H, n);
    lane.store(h, next);
    lane.store(output, next);
  });
}

// Through h' = mix(z, n, h): the pre-activation gradients of z and n into da; dh leaves as the direct share
// of h.
template <class S>
void mix_backward(std::size_t H, bool z_keeps, const S* gates, const S* h_before, S* dh, S* da) {
  kernel::for_lanes<S>(H, [&](const auto& lane) {
    const auto z = lane.load(gates + H), n = lane.load(gates + 2 * H), up = lane.load(dh);
    const auto difference = lane.load(h_before) - n;  // d h' / d z when z keeps
    const auto dz = z_keeps ? up * difference : -(up * difference);
    const auto keep = z_keeps ? z : S(1) - z;
    const auto dn = up * (S(1) - keep);
    lane.store(da + H, dz * z * (S(1) - z));
    lane.store(da + 2 * H, dn * (S(1) - n * n));
    lane.store(dh, up * keep);
  });
}

}  // namespace

template <class S>
GruForward<S> gru_forward(const Tensor<S>& x, const Tensor<S>& h0, const GruWeights<S>& w, GruVariant variant,
                          const Steps& steps) {
  const std::size_t gates = w.weight_ih->shape()[0], H = gates / 3;
  GruForward<S> f;
  f.gates = Tensor<S>(Shape{steps.total, gates});
  f.candidate = Tensor<S>(Shape{steps.total, H});
  f.output = Tensor<S>(Shape{steps.total, H});
  f.h_n = h0;
  multiply_transposed(x.data(), steps.total, *w.weight_ih, f.gates.data());

  // With reset after, b_hn stands inside the reset and must not be merged into the rest.
  Tensor<S> bias = combined_bias(w.bias_ih, w.bias_hh, gates);
  Tensor<S> bias_hn = zeros<S>({H});
  if (variant.reset_after && w.bias_hh != nullptr) {
    const S* inside = w.bias_hh->data() + 2 * H;
    std::copy(inside, inside + H, bias_hn.data());
    for (std::size_t j = 0; j < H; ++j) {
      bias.data()[2 * H + j] = w.bias_ih != nullptr ? w.bias_ih->data()[2 * H + j] : S(0);
    }
  }

  // Reset after: one product for all three gates. Before: r and z first, then the candidate's from r h.
  const std::size_t first_gates = variant.reset_after ? gates : 2 * H;
  const RecurrentWeight<S> first(w.weight_hh->data(), first_gates, H);
  const RecurrentWeight<S> second(w.weight_hh->data() + 2 * H * H, variant.reset_after ? 0 : H, H);
  Tensor<S> recurrent(Shape{variant.reset_after ? steps.batch : 0, gates});

  for (std::size_t k = 0; k < steps.count(); ++k) {
    const std::size_t t = steps.time(k), rows = steps.rows[t], at = steps.offset[t];
    S* a = f.gates.data() + at * gates;
    S* h = f.h_n.data();
    S* candidate = f.candidate.data() + at * H;
    S* output = f.output.data() + at * H;
    const auto row = [&](std::size_t r) { return Row<S>{H, bias.data(), bias_hn.data(), a + r * gates}; };
    if (variant.reset_after) {
      first.multiply(rows, h, S(0), recurrent.data(), gates);
      for (std::size_t r = 0; r < rows; ++r) {
        cell_forward_after(row(r), variant.z_keeps, recurrent.data() + r * gates, candidate + r * H,
                           h + r * H, output + r * H);
      }
    } else {
      first.multiply(rows, h, S(1), a, gates);
      for (std::size_t r = 0; r < rows; ++r) gates_forward_before(row(r), h + r * H, candidate + r * H);
      second.multiply(rows, candidate, S(1), a + 2 * H, gates);
      for (std::size_t r = 0; r < rows; ++r) {
        candidate_forward_before(row(r), variant.z_keeps, h + r * H, output + r * H);
      }
    }
  }
  return f;
}

template <class S>
GruGradients<S> gru_backward(const Tensor<S>& x, const Tensor<S>& h0, const GruWeights<S>& w,
                             GruVariant variant, const Steps& steps, const GruForward<S>& f,
                             const Tensor<S>& output, const GruUpstream<S>& upstream, const Wanted& wanted) {
  const std::size_t gates = w.weight_ih->shape()[0], H = gates / 3, in = w.weight_ih->shape()[1];
  const S* weight_hh = w.weight_hh->data();
  GruGradients<S> d;
  d.h0 = upstream.h_n != nullptr ? *upstream.h_n : zeros<S>(h0.shape());  // runs back through time as dh
  const Tensor<S> h_before = previous_rows(steps, output, h0);
  Tensor<S> da(Shape{steps.total, gates});  // gradient of W_ih x + b_ih
  // Reset after: the gradient of W_hh h + b_hh differs from da in its last third, by the factor r.
  Tensor<S> da_hh(Shape{variant.reset_after ? steps.total : 0, gates});
  Tensor<S> d_reset_h(Shape{variant.reset_after ? 0 : steps.batch, H});

  for (std::size_t k = steps.count(); k-- > 0;) {
    const std::size_t t = steps.time(k), rows = steps.rows[t], at = steps.offset[t];
    if (rows == 0) continue;
    S* dh = d.h0.data();
    add_rows(upstream.output, at * H, rows * H, dh);
    for (std::size_t r = 0; r < rows; ++r) {
      mix_backward(H, variant.z_keeps, f.gates.data() + (at + r) * gates, h_before.data() + (at + r) * H,
                   dh + r * H, da.data() + (at + r) * gates);
    }
    if (variant.reset_after) {
      for (std::size_t r = 0; r < rows; ++r) {
        const S* gate = f.gates.data() + (at + r) * gates;
        const S* hn = f.candidate.data() + (at + r) * H;
        S* row = da.data() + (at + r) * gates;
        S* row_hh = da_hh.data() + (at + r) * gates;
        kernel::for_lanes<S>(H, [&](const auto& lane) {
          const auto reset = lane.load(gate), dn = lane.load(row + 2 * H);
          const auto dr = dn * lane.load(hn) * reset * (S(1) - reset);
          lane.store(row, dr);
          lane.store(row_hh, dr);
          lane.store(row_hh + H, lane.load(row + H));
          lane.store(row_hh + 2 * H, dn * reset);
        });
      }
      if (k == 0 && !wanted.state) break;
      kernel::gemm(false, false, rows, H, gates, S(1), da_hh.data() + at * gates, gates, weight_hh, H, S(1),
                   dh, H);
    } else {
      S* row0 = da.data() + at * gates;
      kernel::gemm(false, false, rows, H, H, S(1), row0 + 2 * H, gates, weight_hh + 2 * H * H, H, S(0),
                   d_reset_h.data(), H);
      for (std::size_t r = 0; r < rows; ++r) {
        const S* gate = f.gates.data() + (at + r) * gates;
        const S* h = h_before.data() + (at + r) * H;
        const S* d_rh = d_reset_h.data() + r * H;
        kernel::for_lanes<S>(H, [&](const auto& lane) {
          const auto reset = lane.load(gate), up = lane.load(d_rh);
          lane.store(row0 + r * gates, up * lane.load(h) * reset * (S(1) - reset));
          lane.store(dh + r * H, lane.load(dh + r * H) + up * reset);
        });
      }
      if (k == 0 && !wanted.state) break;
      kernel::gemm(false, false, rows, H, 2 * H, S(1), row0, gates, weight_hh, H, S(1), dh, H);
    }
  }

  if (wanted.weight_ih) d.weight_ih = weight_gradient(da, x.data(), in);
  if (wanted.bias_ih) d.bias_ih = bias_gradient(da);
  if (wanted.bias_hh) d.bias_hh = bias_gradient(variant.reset_after ? da_hh : da);
  if (wanted.weight_hh && variant.reset_after) d.weight_hh = weight_gradient(da_hh, h_before.data(), H);
  if (wanted.weight_hh && !variant.reset_after) {
    d.weight_hh = Tensor<S>(w.weight_hh->shape());
    kernel::gemm(true, false, 2 * H, H, steps.total, S(1), da.data(), gates, h_before.data(), H, S(0),
                 d.weight_hh.data(), H);
    kernel::gemm(true, false, H, H, steps.total, S(1), da.data() + 2 * H, gates, f.candidate.data(), H, S(0),
                 d.weight_hh.data() + 2 * H * H, H);
  }
  if (wanted.x) d.x = input_gradient(da, *w.weight_ih, x.shape());
  return d;
}

#define UNROLL_INSTANTIATE(S)                                                                              \
  template GruForward<S> gru_forward(const Tensor<S>&, const Tensor<S>&, const GruWeights<S>&, GruVariant, \
                                     const Steps&);                                                        \
  template GruGradients<S> gru_backward(const Tensor<S>&, const Tensor<S>&, const GruWeights<S>&,          \
                                        GruVariant, const Steps&, const GruForward<S>&, const Tensor<S>&,  \
                                        const GruUpstream<S>&, const Wanted&);
UNROLL_INSTANTIATE(float)
UNROLL_INSTANTIATE(double)
#undef UNROLL_INSTANTIATE

}  // namespace unroll::bptt
