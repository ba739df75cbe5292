#include "layers/bptt/rnn.hpp"

#include <algorithm>

#include "framework/kernels/simd.hpp"
#include "layers/bptt/products.hpp"

namespace unroll::bptt {

template <class S>
RnnForward<S> rnn_forward(const Tensor<S>& x, const Tensor<S>& h0, const RnnWeights<S>& w, bool relu,
                          const Steps& steps) {
  const std::size_t H = w.weight_ih->shape()[0];
  RnnForward<S> f;
  f.output = Tensor<S>(Shape{steps.total, H});
  f.h_n = h0;
  multiply_transposed(x.data(), steps.total, *w.weight_ih, f.output.data());
  const Tensor<S> bias = combined_bias(w.bias_ih, w.bias_hh, H);
  const RecurrentWeight<S> recurrent(w.weight_hh->data(), H, H);

  for (std::size_t k = 0; k < steps.count(); ++k) {
    const std::size_t t = steps.time(k), rows = steps.rows[t];
    S* a = f.output.data() + steps.offset[t] * H;
    recurrent.multiply(rows, f.h_n.data(), S(1), a, H);
    for (std::size_t r = 0; r < rows; ++r) {
      S* row = a + r * H;
      S* h = f.h_n.data() + r * H;
      kernel::for_lanes<S>(H, [&](const auto& lane) {
        const auto pre = lane.load(row) + lane.load(bias.data());
        const kernel::Batch<S> zero(S(0));
        const auto next = relu ? xsimd::select(pre <= zero, zero, pre) : xsimd::tanh(pre);
        lane.store(row, next);
        lane.store(h, next);
      });
    }
  }
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

  for (std::size_t k = steps.count(); k-- > 0;) {
    const std::size_t t = steps.time(k), rows = steps.rows[t], first = steps.offset[t] * H;
    if (rows == 0) continue;
    S* dh = d.h0.data();
    const S* up = upstream.output != nullptr ? upstream.output->data() + first : nullptr;
    // f' from the output: 1 - h^2 for tanh; for relu 1 where h > 0, 0 at 0.
    kernel::for_lanes<S>(rows * H, [&](const auto& lane) {
      const auto h = lane.load(output.data() + first);
      auto g = lane.load(dh);
      if (up != nullptr) g += lane.load(up);
      const kernel::Batch<S> zero(S(0));
      lane.store(da.data() + first, relu ? xsimd::select(h > zero, g, zero) : g * (S(1) - h * h));
    });
    if (k == 0 && !wanted.state) break;
    kernel::gemm(false, false, rows, H, H, S(1), da.data() + first, H, w.weight_hh->data(), H, S(0), dh, H);
  }

  if (wanted.weight_ih) d.weight_ih = weight_gradient(da, x.data(), in);
  if (wanted.weight_hh) d.weight_hh = weight_gradient(da, previous_rows(steps, output, h0).data(), H);
  if (wanted.bias_ih || wanted.bias_hh) d.bias = bias_gradient(da);
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
