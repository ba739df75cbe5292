#include "layers/bptt/gru.hpp"

#include <algorithm>

#include "layers/bptt/gru_loop.hpp"
#include "layers/bptt/products.hpp"

namespace unroll::bptt {

using kernel::Packed;

template <class S>
GruForwardPass<S>::GruForwardPass(const Shape& x, const Tensor<S>& h0, const GruWeights<S>& w,
                                  GruVariant variant, const Steps& steps)
    : in_(w.weight_ih->shape()[1]), hidden_(w.weight_ih->shape()[0] / 3), variant_(variant) {
  const std::size_t H = hidden_, gates = 3 * H;
  result.gates = Var<S>::uninitialized({steps.total, gates});
  result.candidate = Var<S>::uninitialized({steps.total, H});
  result.output = Var<S>::uninitialized(with_width(x, H));
  result.h_n = Var<S>::copy_of(h0);
  input_ = {steps.total, *w.weight_ih};

  // With reset after, b_hn stands inside the reset and must not be merged into the rest.
  bias_ = combined_bias(w.bias_ih, w.bias_hh, gates);
  bias_hn_ = Buffer<S>(H);
  std::fill_n(bias_hn_.begin(), H, S(0));
  if (variant.reset_after && w.bias_hh != nullptr) {
    std::copy_n(w.bias_hh->data() + 2 * H, H, bias_hn_.begin());
    for (std::size_t j = 2 * H; j < gates; ++j) bias_[j] = w.bias_ih != nullptr ? w.bias_ih->data()[j] : S(0);
  }
  const S* weight_hh = w.weight_hh->data();
  weight_rz_ = Packed<S>::transposed(weight_hh, 2 * H, H);
  weight_n_ = Packed<S>::transposed(weight_hh + 2 * H * H, H, H);
}

template <class S>
void GruForwardPass<S>::run(const Stretch& stretch, const S* x) {
  const Steps& steps = stretch.steps;
  const std::size_t H = hidden_, row = stretch.row;
  S* gates = result.gates.raw() + row * 3 * H;
  input_.run(steps.total, x + row * in_, gates);
  in_parallel<S>(steps, steps.total * 3 * H * H, H, true, [&](const TimeLoop& loop, const Units& units) {
    gru_loops<S>().forward({.steps = loop,
                            .units = units,
                            .H = H,
                            .reset_after = variant_.reset_after,
                            .z_keeps = variant_.z_keeps,
                            .weight_rz = weight_rz_.panels(),
                            .weight_n = weight_n_.panels(),
                            .bias = bias_.data(),
                            .bias_hn = bias_hn_.data(),
                            .gates = gates,
                            .candidate = result.candidate.raw() + row * H,
                            .output = result.output.raw() + row * H,
                            .h = result.h_n.raw()});
  });
}

template <class S>
GruForward<S> gru_forward(const Tensor<S>& x, const Tensor<S>& h0, const GruWeights<S>& w, GruVariant variant,
                          const Steps& steps) {
  GruForwardPass<S> pass(x.shape(), h0, w, variant, steps);
  pass.run({steps}, x.data());
  return std::move(pass.result);
}

template <class S>
GruBackwardPass<S>::GruBackwardPass(const Shape& x, const Tensor<S>& h0, const GruWeights<S>& w,
                                    GruVariant variant, const Steps& steps, const GruForward<S>& f,
                                    const GruUpstream<S>& upstream, const Wanted& wanted)
    : h0_(h0), w_(w), variant_(variant), steps_(steps), f_(f), wanted_(wanted) {
  const std::size_t gates = w.weight_ih->shape()[0], H = gates / 3;
  const S* weight_hh = w.weight_hh->data();
  result.h0 = state_gradient(upstream.h_n, h0);  // runs back through time as dh
  if (wanted.x) result.x = Var<S>::uninitialized(x);
  da_ = Buffer<S>(steps.total * gates);
  if (variant.reset_after) {
    da_hn_ = Buffer<S>(steps.total * H);
  } else {
    d_reset_h_ = Buffer<S>(steps.batch * H);
  }
  weight_rz_ = Packed<S>::borrowed(weight_hh, 2 * H, H);
  weight_n_ = Packed<S>::borrowed(weight_hh + 2 * H * H, H, H);
}

template <class S>
void GruBackwardPass<S>::run(const Stretch& stretch, const S* up_output) {
  const Steps& steps = stretch.steps;
  const std::size_t H = w_.weight_ih->shape()[0] / 3, row = stretch.row;
  in_parallel<S>(steps, steps.total * 3 * H * H, H, true, [&](const TimeLoop& loop, const Units& units) {
    gru_loops<S>().backward({.steps = loop,
                             .units = units,
                             .H = H,
                             .reset_after = variant_.reset_after,
                             .z_keeps = variant_.z_keeps,
                             .weight_rz = weight_rz_.panels(),
                             .weight_n = weight_n_.panels(),
                             .gates = f_.gates.data() + row * 3 * H,
                             .candidate = f_.candidate.data() + row * H,
                             .output = f_.output.data() + row * H,
                             .h0 = stretch.before(f_.output.data(), H, h0_.data()),
                             .up_output = up_output != nullptr ? up_output + row * H : nullptr,
                             .state_wanted = wanted_.state || !stretch.begins,
                             .dh = result.h0.raw(),
                             .da = da_.data() + row * 3 * H,
                             .da_hn = variant_.reset_after ? da_hn_.data() + row * H : nullptr,
                             .d_reset_h = d_reset_h_.data()});
  });
}

template <class S>
void GruBackwardPass<S>::run_input(const Stretch& stretch) {
  if (!wanted_.x) return;
  if (input_.empty()) input_ = {steps_.total, *w_.weight_ih};
  const std::size_t gates = w_.weight_ih->shape()[0], in = w_.weight_ih->shape()[1];
  input_.run(stretch.steps.total, da_.data() + stretch.row * gates, result.x.raw() + stretch.row * in);
}

template <class S>
void GruBackwardPass<S>::run_weights(const S* x) {
  const std::size_t gates = w_.weight_ih->shape()[0], H = gates / 3, in = w_.weight_ih->shape()[1],
                    total = steps_.total;
  GruGradients<S>& d = result;
  if (wanted_.weight_ih) d.weight_ih = weight_gradient(total, da_.data(), gates, x, in);
  if (wanted_.bias_ih || wanted_.bias_hh) {
    const Var<S> bias = bias_gradient(total, da_.data(), gates);
    if (wanted_.bias_ih) d.bias_ih = bias;
    if (wanted_.bias_hh) d.bias_hh = wanted_.bias_ih && variant_.reset_after ? bias.detach() : bias;
    if (wanted_.bias_hh && variant_.reset_after)
      kernel::packing<S>().column_sums(total, H, da_hn_.data(), H, d.bias_hh.raw() + 2 * H);
  }
  if (wanted_.weight_hh) {
    d.weight_hh = Var<S>::uninitialized(w_.weight_hh->shape());
    recurrent_weight_gradient(steps_, da_.data(), 2 * H, gates, f_.output.data(), h0_, d.weight_hh.raw());
    S* candidate = d.weight_hh.raw() + 2 * H * H;
    if (variant_.reset_after) {
      recurrent_weight_gradient(steps_, da_hn_.data(), H, H, f_.output.data(), h0_, candidate);
    } else {
      add_weight_gradient(total, da_.data() + 2 * H, H, gates, f_.candidate.data(), H, false, candidate);
    }
  }
}

template <class S>
GruGradients<S> gru_backward(const Tensor<S>& x, const Tensor<S>& h0, const GruWeights<S>& w,
                             GruVariant variant, const Steps& steps, const GruForward<S>& f,
                             const GruUpstream<S>& upstream, const Wanted& wanted) {
  GruBackwardPass<S> pass(x.shape(), h0, w, variant, steps, f, upstream, wanted);
  pass.run({steps}, data_or_null(upstream.output));
  pass.run_weights(x.data());
  pass.run_input({steps});
  return std::move(pass.result);
}

#define UNROLL_INSTANTIATE(S)                                                                              \
  template class GruForwardPass<S>;                                                                        \
  template class GruBackwardPass<S>;                                                                       \
  template GruForward<S> gru_forward(const Tensor<S>&, const Tensor<S>&, const GruWeights<S>&, GruVariant, \
                                     const Steps&);                                                        \
  template GruGradients<S> gru_backward(const Tensor<S>&, const Tensor<S>&, const GruWeights<S>&,          \
                                        GruVariant, const Steps&, const GruForward<S>&,                    \
                                        const GruUpstream<S>&, const Wanted&);
UNROLL_INSTANTIATE(float)
UNROLL_INSTANTIATE(double)
#undef UNROLL_INSTANTIATE

}  // namespace unroll::bptt
