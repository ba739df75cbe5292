#include "layers/bptt/rnn.hpp"

#include <algorithm>

#include "layers/bptt/products.hpp"
#include "layers/bptt/rnn_loop.hpp"

namespace unroll::bptt {

using kernel::Packed;

template <class S>
RnnForwardPass<S>::RnnForwardPass(const Shape& x, const Tensor<S>& h0, const RnnWeights<S>& w, bool relu,
                                  const Steps& steps)
    : in_(w.weight_ih->shape()[1]), hidden_(w.weight_ih->shape()[0]), relu_(relu) {
  result.output = Var<S>::uninitialized(with_width(x, hidden_));
  result.h_n = Var<S>::copy_of(h0);
  input_ = {steps.total, *w.weight_ih};
  bias_ = combined_bias(w.bias_ih, w.bias_hh, hidden_);
  recurrent_ = Packed<S>::transposed(w.weight_hh->data(), hidden_, hidden_);
}

template <class S>
void RnnForwardPass<S>::run(const Stretch& stretch, const S* x) {
  const Steps& steps = stretch.steps;
  S* output = result.output.raw() + stretch.row * hidden_;
  input_.run(steps.total, x + stretch.row * in_, output);
  in_parallel<S>(steps, steps.total * hidden_ * hidden_, hidden_, true,
                 [&](const TimeLoop& loop, const Units& units) {
                   rnn_loops<S>().forward({.steps = loop,
                                           .units = units,
                                           .H = hidden_,
                                           .relu = relu_,
                                           .recurrent = recurrent_.panels(),
                                           .bias = bias_.data(),
                                           .output = output,
                                           .h = result.h_n.raw()});
                 });
}

template <class S>
RnnForward<S> rnn_forward(const Tensor<S>& x, const Tensor<S>& h0, const RnnWeights<S>& w, bool relu,
                          const Steps& steps) {
  RnnForwardPass<S> pass(x.shape(), h0, w, relu, steps);
  pass.run({steps}, x.data());
  return std::move(pass.result);
}

template <class S>
RnnBackwardPass<S>::RnnBackwardPass(const Shape& x, const Tensor<S>& h0, const RnnWeights<S>& w, bool relu,
                                    const Steps& steps, const Tensor<S>& output,
                                    const RnnUpstream<S>& upstream, const Wanted& wanted)
    : h0_(h0), w_(w), relu_(relu), steps_(steps), output_(output), wanted_(wanted) {
  const std::size_t H = w.weight_ih->shape()[0];
  result.h0 = state_gradient(upstream.h_n, h0);  // runs back through time as dh
  if (wanted.x) result.x = Var<S>::uninitialized(x);
  da_ = Buffer<S>(steps.total * H);
  recurrent_ = Packed<S>::borrowed(w.weight_hh->data(), H, H);
}

template <class S>
void RnnBackwardPass<S>::run(const Stretch& stretch, const S* up_output) {
  const Steps& steps = stretch.steps;
  const std::size_t H = w_.weight_ih->shape()[0], row = stretch.row;
  in_parallel<S>(steps, steps.total * H * H, H, true, [&](const TimeLoop& loop, const Units& units) {
    rnn_loops<S>().backward({.steps = loop,
                             .units = units,
                             .H = H,
                             .relu = relu_,
                             .recurrent = recurrent_.panels(),
                             .output = output_.data() + row * H,
                             .up_output = up_output != nullptr ? up_output + row * H : nullptr,
                             .state_wanted = wanted_.state || !stretch.begins,
                             .dh = result.h0.raw(),
                             .da = da_.data() + row * H});
  });
}

template <class S>
void RnnBackwardPass<S>::run_input(const Stretch& stretch) {
  if (!wanted_.x) return;
  if (input_.empty()) input_ = {steps_.total, *w_.weight_ih};
  const std::size_t H = w_.weight_ih->shape()[0], in = w_.weight_ih->shape()[1];
  input_.run(stretch.steps.total, da_.data() + stretch.row * H, result.x.raw() + stretch.row * in);
}

template <class S>
void RnnBackwardPass<S>::run_weights(const S* x) {
  const std::size_t H = w_.weight_ih->shape()[0], in = w_.weight_ih->shape()[1], total = steps_.total;
  if (wanted_.weight_ih) result.weight_ih = weight_gradient(total, da_.data(), H, x, in);
  if (wanted_.weight_hh) {
    result.weight_hh = Var<S>::uninitialized(w_.weight_hh->shape());
    recurrent_weight_gradient(steps_, da_.data(), H, H, output_.data(), h0_, result.weight_hh.raw());
  }
  if (wanted_.bias_ih || wanted_.bias_hh) result.bias = bias_gradient(total, da_.data(), H);
}

template <class S>
RnnGradients<S> rnn_backward(const Tensor<S>& x, const Tensor<S>& h0, const RnnWeights<S>& w, bool relu,
                             const Steps& steps, const Tensor<S>& output, const RnnUpstream<S>& upstream,
                             const Wanted& wanted) {
  RnnBackwardPass<S> pass(x.shape(), h0, w, relu, steps, output, upstream, wanted);
  pass.run({steps}, data_or_null(upstream.output));
  pass.run_weights(x.data());
  pass.run_input({steps});
  return std::move(pass.result);
}

#define UNROLL_INSTANTIATE(S)                                                                           \
  template class RnnForwardPass<S>;                                                                     \
  template class RnnBackwardPass<S>;                                                                    \
  template RnnForward<S> rnn_forward(const Tensor<S>&, const Tensor<S>&, const RnnWeights<S>&, bool,    \
                                     const Steps&);                                                     \
  template RnnGradients<S> rnn_backward(const Tensor<S>&, const Tensor<S>&, const RnnWeights<S>&, bool, \
                                        const Steps&, const Tensor<S>&, const RnnUpstream<S>&,          \
                                        const Wanted&);
UNROLL_INSTANTIATE(float)
UNROLL_INSTANTIATE(double)
#undef UNROLL_INSTANTIATE

}  // namespace unroll::bptt
