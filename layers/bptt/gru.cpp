#include "layers/bptt/gru.hpp"

#include <algorithm>

#include "layers/bptt/gru_loop.hpp"
#include "layers/bptt/products.hpp"

namespace unroll::bptt {

using kernel::Packed;

template <class S>
GruForward<S> gru_forward(const Tensor<S>& x, const Tensor<S>& h0, const GruWeights<S>& w, GruVariant variant,
                          const Steps& steps) {
  const std::size_t gates = w.weight_ih->shape()[0], H = gates / 3;
  GruForward<S> f;
  f.gates = Var<S>::uninitialized({steps.total, gates});
  f.candidate = Var<S>::uninitialized({steps.total, H});
  f.output = Var<S>::uninitialized(with_width(x.shape(), H));
  f.h_n = Var<S>::copy_of(h0);
  multiply_transposed(x.data(), steps.total, *w.weight_ih, f.gates.raw());

  // With reset after, b_hn stands inside the reset and must not be merged into the rest.
  Buffer<S> bias = combined_bias(w.bias_ih, w.bias_hh, gates), bias_hn(H);
  std::fill_n(bias_hn.begin(), H, S(0));
  if (variant.reset_after && w.bias_hh != nullptr) {
    std::copy_n(w.bias_hh->data() + 2 * H, H, bias_hn.begin());
    for (std::size_t j = 2 * H; j < gates; ++j) bias[j] = w.bias_ih != nullptr ? w.bias_ih->data()[j] : S(0);
  }
  const S* weight_hh = w.weight_hh->data();
  const auto weight_rz = Packed<S>::transposed(weight_hh, 2 * H, H);
  const auto weight_n = Packed<S>::transposed(weight_hh + 2 * H * H, H, H);
  in_parallel<S>(steps, steps.total * gates * H, H, true, [&](const TimeLoop& loop, const Units& units) {
    gru_loops<S>().forward({.steps = loop,
                            .units = units,
                            .H = H,
                            .reset_after = variant.reset_after,
                            .z_keeps = variant.z_keeps,
                            .weight_rz = weight_rz.panels(),
                            .weight_n = weight_n.panels(),
                            .bias = bias.data(),
                            .bias_hn = bias_hn.data(),
                            .gates = f.gates.raw(),
                            .candidate = f.candidate.raw(),
                            .output = f.output.raw(),
                            .h = f.h_n.raw()});
  });
  return f;
}

template <class S>
GruGradients<S> gru_backward(const Tensor<S>& x, const Tensor<S>& h0, const GruWeights<S>& w,
                             GruVariant variant, const Steps& steps, const GruForward<S>& f,
                             const GruUpstream<S>& upstream, const Wanted& wanted) {
  const std::size_t gates = w.weight_ih->shape()[0], H = gates / 3, in = w.weight_ih->shape()[1];
  const S* weight_hh = w.weight_hh->data();
  GruGradients<S> d;
  d.h0 = state_gradient(upstream.h_n, h0);  // runs back through time as dh
  Buffer<S> da(steps.total * gates);        // gradient of W_ih x + b_ih
  // Reset after: the gradient of W_hh h + b_hh differs from da in its last third, by the factor r.
  Buffer<S> da_hn(variant.reset_after ? steps.total * H : 0);
  Buffer<S> d_reset_h(variant.reset_after ? 0 : steps.batch * H);
  const auto weight_rz = Packed<S>::borrowed(weight_hh, 2 * H, H);
  const auto weight_n = Packed<S>::borrowed(weight_hh + 2 * H * H, H, H);
  in_parallel<S>(steps, steps.total * gates * H, H, true, [&](const TimeLoop& loop, const Units& units) {
    gru_loops<S>().backward({.steps = loop,
                             .units = units,
                             .H = H,
                             .reset_after = variant.reset_after,
                             .z_keeps = variant.z_keeps,
                             .weight_rz = weight_rz.panels(),
                             .weight_n = weight_n.panels(),
                             .gates = f.gates.data(),
                             .candidate = f.candidate.data(),
                             .output = f.output.data(),
                             .h0 = h0.data(),
                             .up_output = data_or_null(upstream.output),
                             .state_wanted = wanted.state,
                             .dh = d.h0.raw(),
                             .da = da.data(),
                             .da_hn = da_hn.data(),
                             .d_reset_h = d_reset_h.data()});
  });

  if (wanted.weight_ih) d.weight_ih = weight_gradient(steps.total, da.data(), gates, x.data(), in);
  if (wanted.bias_ih || wanted.bias_hh) {
    const Var<S> bias = bias_gradient(steps.total, da.data(), gates);
    if (wanted.bias_ih) d.bias_ih = bias;
    if (wanted.bias_hh) d.bias_hh = wanted.bias_ih && variant.reset_after ? bias.detach() : bias;
    if (wanted.bias_hh && variant.reset_after)
      kernel::packing<S>().column_sums(steps.total, H, da_hn.data(), H, d.bias_hh.raw() + 2 * H);
  }
  if (wanted.weight_hh) {
    d.weight_hh = Var<S>::uninitialized(w.weight_hh->shape());
    recurrent_weight_gradient(steps, da.data(), 2 * H, gates, f.output.data(), h0, d.weight_hh.raw());
    S* candidate = d.weight_hh.raw() + 2 * H * H;
    if (variant.reset_after) {
      recurrent_weight_gradient(steps, da_hn.data(), H, H, f.output.data(), h0, candidate);
    } else {
      add_weight_gradient(steps.total, da.data() + 2 * H, H, gates, f.candidate.data(), H, false, candidate);
    }
  }
  if (wanted.x) d.x = input_gradient(steps.total, da.data(), *w.weight_ih, x.shape());
  return d;
}

#define UNROLL_INSTANTIATE(S)                                                                              \
  template GruForward<S> gru_forward(const Tensor<S>&, const Tensor<S>&, const GruWeights<S>&, GruVariant, \
                                     const Steps&);                                                        \
  template GruGradients<S> gru_backward(const Tensor<S>&, const Tensor<S>&, const GruWeights<S>&,          \
                                        GruVariant, const Steps&, const GruForward<S>&,                    \
                                        const GruUpstream<S>&, const Wanted&);
UNROLL_INSTANTIATE(float)
UNROLL_INSTANTIATE(double)
#undef UNROLL_INSTANTIATE

}  // namespace unroll::bptt
