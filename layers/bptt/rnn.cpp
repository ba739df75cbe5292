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
  f.output = Tensor<S>(Shape{steps.total, H});
  f.h_n = h0;
  multiply_transposed(x.data(), steps.total, *w.weight_ih, f.output.data());
  const Tensor<S> bias = combined_bias(w.bias_ih, w.bias_hh, H);
  const auto recurrent = Packed<S>::transposed(w.weight_hh->data(), H, H);
  in_parallel(steps, steps.total * H * H, [&](std::size_t begin, std::size_t end) {
    rnn_loops<S>().forward({.steps = steps.loop(begin, end),
                            .H = H,
                            .relu = relu,
                            .recurrent = recurrent.panels(),
                            .bias = bias.data(),
                            .output = f.output.data(),
                            .h = f.h_n.data()});
  });
  return f;
}

template <class S>
RnnGradients<S> rnn_backward(const Tensor<S>& x, const Tensor<S>& h0, const RnnWeights<S>& w, bool relu,
                             const Steps& steps, const Tensor<S>& output, const RnnUpstream<S>& upstream,
                             const Wanted& wanted) {
  const std::size_t H = w.weight_ih->shape()[0], in = w.weight_ih->shape()[1];
  RnnGradients<S> d;
  d.h0 = upstream.h_n != nullptr ? *upstream.h_n : zeros<S>(h0.shape());  // runs back through time as dh
  Tensor<S> da(Shape{steps.total, H});
  const auto recurrent = Packed<S>::borrowed(w.weight_hh->data(), H, H);
  in_parallel(steps, steps.total * H * H, [&](std::size_t begin, std::size_t end) {
    rnn_loops<S>().backward({.steps = steps.loop(begin, end),
                             .H = H,
                             .relu = relu,
                             .recurrent = recurrent.panels(),
                             .output = output.data(),
                             .up_output = data_or_null(upstream.output),
                             .state_wanted = wanted.state,
                             .dh = d.h0.data(),
                             .da = da.data()});
  });

  if (wanted.weight_ih) d.weight_ih = weight_gradient(da, x.data(), in);
  if (wanted.weight_hh) {
    d.weight_hh = Tensor<S>(w.weight_hh->shape());
    recurrent_weight_gradient(steps, da.data(), H, H, output, h0, d.weight_hh.data());
  }
  if (wanted.bias_ih || wanted.bias_hh) {
    d.bias = Tensor<S>(Shape{H});
    kernel::packing<S>().column_sums(steps.total, H, da.data(), H, d.bias.data());
  }
  if (wanted.x) d.x = input_gradient(da, *w.weight_ih, x.shape());
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
