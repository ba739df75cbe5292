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
  const S* weight_hh = w.weight_hh->data();
  const auto weight_rz = Packed<S>::transposed(weight_hh, 2 * H, H);
  const auto weight_n = Packed<S>::transposed(weight_hh + 2 * H * H, H, H);
  in_parallel(steps, steps.total * gates * H, [&](std::size_t begin, std::size_t end) {
    gru_loops<S>().forward({.steps = steps.loop(begin, end),
                            .H = H,
                            .reset_after = variant.reset_after,
                            .z_keeps = variant.z_keeps,
                            .weight_rz = weight_rz.panels(),
                            .weight_n = weight_n.panels(),
                            .bias = bias.data(),
                            .bias_hn = bias_hn.data(),
                            .gates = f.gates.data(),
                            .candidate = f.candidate.data(),
                            .output = f.output.data(),
                            .h = f.h_n.data()});
  });
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
  Tensor<S> da(Shape{steps.total, gates});                                // gradient of W_ih x + b_ih
  // Reset after: the gradient of W_hh h + b_hh differs from da in its last third, by the factor r.
  Tensor<S> da_hn(Shape{variant.reset_after ? steps.total : 0, H});
  Tensor<S> d_reset_h(Shape{variant.reset_after ? 0 : steps.batch, H});
  const auto weight_rz = Packed<S>::borrowed(weight_hh, 2 * H, H);
  const auto weight_n = Packed<S>::borrowed(weight_hh + 2 * H * H, H, H);
  in_parallel(steps, steps.total * gates * H, [&](std::size_t begin, std::size_t end) {
    gru_loops<S>().backward({.steps = steps.loop(begin, end),
                             .H = H,
                             .reset_after = variant.reset_after,
                             .z_keeps = variant.z_keeps,
                             .weight_rz = weight_rz.panels(),
                             .weight_n = weight_n.panels(),
                             .gates = f.gates.data(),
                             .candidate = f.candidate.data(),
                             .output = output.data(),
                             .h0 = h0.data(),
                             .up_output = data_or_null(upstream.output),
                             .state_wanted = wanted.state,
                             .dh = d.h0.data(),
                             .da = da.data(),
                             .da_hn = da_hn.data(),
                             .d_reset_h = d_reset_h.data()});
  });

  if (wanted.weight_ih) d.weight_ih = weight_gradient(da, x.data(), in);
  if (wanted.bias_ih || wanted.bias_hh) {
    d.bias_ih = Tensor<S>(Shape{gates});
    kernel::packing<S>().column_sums(steps.total, gates, da.data(), gates, d.bias_ih.data());
  }
  if (wanted.bias_hh) {
    d.bias_hh = d.bias_ih;
    if (variant.reset_after)
      kernel::packing<S>().column_sums(steps.total, H, da_hn.data(), H, d.bias_hh.data() + 2 * H);
  }
  if (!wanted.bias_ih) d.bias_ih = Tensor<S>();
  if (wanted.weight_hh) {
    d.weight_hh = Tensor<S>(w.weight_hh->shape());
    recurrent_weight_gradient(steps, da.data(), 2 * H, gates, output, h0, d.weight_hh.data());
    S* candidate = d.weight_hh.data() + 2 * H * H;
    if (variant.reset_after) {
      recurrent_weight_gradient(steps, da_hn.data(), H, H, output, h0, candidate);
    } else {
      add_weight_gradient(steps.total, da.data() + 2 * H, H, gates, f.candidate.data(), H, false, candidate);
    }
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
