#include "layers/bptt/rnn.hpp"

#include <algorithm>

#include "layers/bptt/products.hpp"
#include "layers/bptt/rnn_loop.hpp"

namespace unroll::bptt {

using kernel::Packed;

template <class S>
RnnForward<S> rnn_forward(const Tensor<S>& x, const Tensor<S>& h0, const RnnWeights<S>& w, bool relu,
                          const Steps& steps) {
  const std::size_t H = w.weight_ih->shape()[0];
  RnnForward<S> f;
  f.output = Var<S>::uninitialized(with_width(x.shape(), H));
  f.h_n = Var<S>::copy_of(h0);
  multiply_transposed(x.data(), steps.total, *w.weight_ih, f.output.raw());
  const Buffer<S> bias = combined_bias(w.bias_ih, w.bias_hh, H);
  const auto recurrent = Packed<S>::transposed(w.weight_hh->data(), H, H);
  in_parallel<S>(steps, steps.total * H * H, H, true, [&](const TimeLoop& loop, const Units& units) {
    rnn_loops<S>().forward({.steps = loop,
                            .units = units,
                            .H = H,
                            .relu = relu,
                            .recurrent = recurrent.panels(),
                            .bias = bias.data(),
                            .output = f.output.raw(),
                            .h = f.h_n.raw()});
  });
  return f;
}

template <class S>
RnnGradients<S> rnn_backward(const Tensor<S>& x, const Tensor<S>& h0, const RnnWeights<S>& w, bool relu,
                             const Steps& steps, const Tensor<S>& output, const RnnUpstream<S>& upstream,
                             const Wanted& wanted) {
  const std::size_t H = w.weight_ih->shape()[0], in = w.weight_ih->shape()[1];
  RnnGradients<S> d;
  d.h0 = state_gradient(upstream.h_n, h0);  // runs back through time as dh
  Buffer<S> da(steps.total * H);
  const auto recurrent = Packed<S>::borrowed(w.weight_hh->data(), H, H);
  in_parallel<S>(steps, steps.total * H * H, H, true, [&](const TimeLoop& loop, const Units& units) {
    rnn_loops<S>().backward({.steps = loop,
                             .units = units,
                             .H = H,
                             .relu = relu,
                             .recurrent = recurrent.panels(),
                             .output = output.data(),
                             .up_output = data_or_null(upstream.output),
                             .state_wanted = wanted.state,
                             .dh = d.h0.raw(),
                             .da = da.data()});
  });

  if (wanted.weight_ih) d.weight_ih = weight_gradient(steps.total, da.data(), H, x.data(), in);
  if (wanted.weight_hh) {
    d.weight_hh = Var<S>::uninitialized(w.weight_hh->shape());
    recurrent_weight_gradient(steps, da.data(), H, H, output.data(), h0, d.weight_hh.raw());
  }
  if (wanted.bias_ih || wanted.bias_hh) d.bias = bias_gradient(steps.total, da.data(), H);
  if (wanted.x) d.x = input_gradient(steps.total, da.data(), *w.weight_ih, x.shape());
  return d;
}

#define UNROLL_INSTANTIATE(S)                                                                           \
  template RnnForward<S> rnn_forward(const Tensor<S>&, const Tensor<S>&, const RnnWeights<S>&, bool,    \
                                     const Steps&);                                                     \
  template RnnGradients<S> rnn_backward(const Tensor<S>&, const Tensor<S>&, const RnnWeights<S>&, bool, \
                                        const Steps&, const Tensor<S>&, const RnnUpstream<S>&,          \
                                        const Wanted&);
UNROLL_INSTANTIATE(float)
UNROLL_INSTANTIATE(double)
#undef UNROLL_INSTANTIATE

}  // namespace unroll::bptt
