#include "layers/bptt/lstm.hpp"

#include <algorithm>

#include "layers/bptt/lstm_loop.hpp"
#include "layers/bptt/products.hpp"

namespace unroll::bptt {

using kernel::Packed;

namespace {

// Numbers of tanh(c) that are kept for the way back. More would not stay in a cache, and computing them again
// costs no more than reading them.
constexpr std::size_t kLargestKeptTanh = std::size_t{1} << 18;

}  // namespace

template <class S>
LstmForward<S> lstm_forward(const Tensor<S>& x, const Tensor<S>& h0, const Tensor<S>& c0,
                            const LstmWeights<S>& w, const Steps& steps, bool keep) {
  const std::size_t gates = w.weight_ih->shape()[0], hidden = gates / 4, out = w.weight_hh->shape()[1];
  const bool projects = w.weight_hr != nullptr;
  LstmForward<S> f;
  f.gates = Tensor<S>(Shape{steps.total, gates});
  if (keep) {
    f.cell = Tensor<S>(Shape{steps.total, hidden});
    if (steps.total * hidden <= kLargestKeptTanh) f.tanh_cell = Tensor<S>(Shape{steps.total, hidden});
  }
  f.output = Tensor<S>(Shape{steps.total, out});
  if (projects) f.unprojected = Tensor<S>(Shape{steps.total, hidden});
  f.h_n = h0;
  f.c_n = c0;

  // All input products at once; inside the loop only the recurrent ones remain.
  multiply_transposed(x.data(), steps.total, *w.weight_ih, f.gates.data());
  const Tensor<S> bias = combined_bias(w.bias_ih, w.bias_hh, gates);
  const auto recurrent = Packed<S>::transposed(w.weight_hh->data(), gates, out);
  const auto projection = projects ? Packed<S>::transposed(w.weight_hr->data(), out, hidden) : Packed<S>();
  in_parallel(steps, steps.total * gates * out, [&](std::size_t begin, std::size_t end) {
    lstm_loops<S>().forward({.steps = steps.loop(begin, end),
                             .H = hidden,
                             .P = out,
                             .recurrent = recurrent.panels(),
                             .projection = projection.panels(),
                             .bias = bias.data(),
                             .gates = f.gates.data(),
                             .cell = keep ? f.cell.data() : nullptr,
                             .tanh_cell = f.tanh_cell.dimension() > 0 ? f.tanh_cell.data() : nullptr,
                             .hidden = projects ? f.unprojected.data() : f.output.data(),
                             .output = f.output.data(),
                             .h = f.h_n.data(),
                             .c = f.c_n.data()});
  });
  return f;
}

template <class S>
LstmGradients<S> lstm_backward(const Tensor<S>& x, const Tensor<S>& h0, const Tensor<S>& c0,
                               const LstmWeights<S>& w, const Steps& steps, const LstmForward<S>& f,
                               const Tensor<S>& output, const LstmUpstream<S>& upstream,
                               const Wanted& wanted) {
  const std::size_t gates = w.weight_ih->shape()[0], hidden = gates / 4, out = w.weight_hh->shape()[1];
  const bool projects = w.weight_hr != nullptr;
  LstmGradients<S> d;
  d.h0 = upstream.h_n != nullptr ? *upstream.h_n : zeros<S>(h0.shape());  // runs back through time as dh
  d.c0 = upstream.c_n != nullptr ? *upstream.c_n : zeros<S>(c0.shape());  // and this as dc
  Tensor<S> da(Shape{steps.total, gates});
  Tensor<S> dh_steps, d_hidden;
  if (projects) {
    dh_steps = Tensor<S>(Shape{steps.total, out});
    d_hidden = Tensor<S>(Shape{steps.batch, hidden});
  }
  const auto recurrent = Packed<S>::borrowed(w.weight_hh->data(), gates, out);
  const auto projection = projects ? Packed<S>::borrowed(w.weight_hr->data(), out, hidden) : Packed<S>();
  in_parallel(steps, steps.total * gates * out, [&](std::size_t begin, std::size_t end) {
    lstm_loops<S>().backward({.steps = steps.loop(begin, end),
                              .H = hidden,
                              .P = out,
                              .recurrent = recurrent.panels(),
                              .projection = projection.panels(),
                              .gates = f.gates.data(),
                              .cell = f.cell.data(),
                              .tanh_cell = f.tanh_cell.dimension() > 0 ? f.tanh_cell.data() : nullptr,
                              .c0 = c0.data(),
                              .up_output = data_or_null(upstream.output),
                              .up_cell = data_or_null(upstream.cell),
                              .state_wanted = wanted.state,
                              .dh = d.h0.data(),
                              .dc = d.c0.data(),
                              .dh_steps = dh_steps.data(),
                              .d_hidden = d_hidden.data(),
                              .da = da.data()});
  });

  const std::size_t in = w.weight_ih->shape()[1];
  if (wanted.weight_ih) d.weight_ih = weight_gradient(da, x.data(), in);
  if (wanted.weight_hh) {
    d.weight_hh = Tensor<S>(w.weight_hh->shape());
    recurrent_weight_gradient(steps, da.data(), gates, gates, output, h0, d.weight_hh.data());
  }
  if (wanted.bias_ih || wanted.bias_hh) {
    d.bias = Tensor<S>(Shape{gates});
    kernel::packing<S>().column_sums(steps.total, gates, da.data(), gates, d.bias.data());
  }
  if (projects && wanted.weight_hr) d.weight_hr = weight_gradient(dh_steps, f.unprojected.data(), hidden);
  if (wanted.x) d.x = input_gradient(da, *w.weight_ih, x.shape());
  return d;
}

#define UNROLL_INSTANTIATE(S)                                                                         \
  template LstmForward<S> lstm_forward(const Tensor<S>&, const Tensor<S>&, const Tensor<S>&,          \
                                       const LstmWeights<S>&, const Steps&, bool);                    \
  template LstmGradients<S> lstm_backward(const Tensor<S>&, const Tensor<S>&, const Tensor<S>&,       \
                                          const LstmWeights<S>&, const Steps&, const LstmForward<S>&, \
                                          const Tensor<S>&, const LstmUpstream<S>&, const Wanted&);
UNROLL_INSTANTIATE(float)
UNROLL_INSTANTIATE(double)
#undef UNROLL_INSTANTIATE

}  // namespace unroll::bptt
