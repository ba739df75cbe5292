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

// Numbers of W_ih whose product with a single row is hidden behind the wait for the state before.
constexpr std::size_t kLargestInputInside = 1024;

}  // namespace

template <class S>
LstmForward<S> lstm_forward(const Tensor<S>& x, const Tensor<S>& h0, const Tensor<S>& c0,
                            const LstmWeights<S>& w, const Steps& steps, bool keep) {
  const std::size_t gates = w.weight_ih->shape()[0], hidden = gates / 4, out = w.weight_hh->shape()[1];
  const bool projects = w.weight_hr != nullptr;
  LstmForward<S> f;
  f.gates = Var<S>::uninitialized({steps.total, gates});
  if (keep) {
    f.cell = Var<S>::uninitialized(with_width(x.shape(), hidden));
    if (steps.total * hidden <= kLargestKeptTanh) f.tanh_cell = Var<S>::uninitialized({steps.total, hidden});
  }
  f.output = Var<S>::uninitialized(with_width(x.shape(), out));
  if (projects) f.unprojected = Var<S>::uninitialized({steps.total, hidden});
  f.h_n = Var<S>::copy_of(h0);
  f.c_n = Var<S>::copy_of(c0);

  const std::size_t in = w.weight_ih->shape()[1];
  const bool alone = steps.batch == 1 && !projects && hidden % kernel::packing<S>().width == 0;
  // All input products at once, so that inside the loop only the recurrent ones remain; but small ones there,
  // where they cost nothing while the loop waits for itself.
  const bool input_inside = alone && gates * in <= kLargestInputInside;
  const auto input = input_inside ? Packed<S>::by_register(w.weight_ih->data(), gates, in) : Packed<S>();
  if (!input_inside) multiply_transposed(x.data(), steps.total, *w.weight_ih, f.gates.raw());
  const Buffer<S> bias = combined_bias(w.bias_ih, w.bias_hh, gates);
  const auto recurrent = alone ? Packed<S>::by_register(w.weight_hh->data(), gates, out)
                               : Packed<S>::transposed(w.weight_hh->data(), gates, out);
  const auto projection = projects ? Packed<S>::transposed(w.weight_hr->data(), out, hidden) : Packed<S>();
  in_parallel<S>(steps, steps.total * gates * out, hidden, !projects,
                 [&](const TimeLoop& loop, const Units& units) {
                   lstm_loops<S>().forward({.steps = loop,
                                            .units = units,
                                            .H = hidden,
                                            .P = out,
                                            .recurrent = recurrent.panels(),
                                            .projection = projection.panels(),
                                            .alone = alone,
                                            .input = input.panels(),
                                            .x = x.data(),
                                            .I = in,
                                            .bias = bias.data(),
                                            .gates = f.gates.raw(),
                                            .cell = data_or_null(f.cell),
                                            .tanh_cell = data_or_null(f.tanh_cell),
                                            .hidden = (projects ? f.unprojected : f.output).raw(),
                                            .output = f.output.raw(),
                                            .h = f.h_n.raw(),
                                            .c = f.c_n.raw()});
                 });
  return f;
}

template <class S>
LstmGradients<S> lstm_backward(const Tensor<S>& x, const Tensor<S>& h0, const Tensor<S>& c0,
                               const LstmWeights<S>& w, const Steps& steps, const LstmForward<S>& f,
                               const LstmUpstream<S>& upstream, const Wanted& wanted) {
  const std::size_t gates = w.weight_ih->shape()[0], hidden = gates / 4, out = w.weight_hh->shape()[1];
  const bool projects = w.weight_hr != nullptr;
  LstmGradients<S> d;
  d.h0 = state_gradient(upstream.h_n, h0);  // runs back through time as dh
  d.c0 = state_gradient(upstream.c_n, c0);  // and this as dc
  Buffer<S> da(steps.total * gates);
  Buffer<S> dh_steps(projects ? steps.total * out : 0), d_hidden(projects ? steps.batch * hidden : 0);
  const auto recurrent = Packed<S>::borrowed(w.weight_hh->data(), gates, out);
  const auto projection = projects ? Packed<S>::borrowed(w.weight_hr->data(), out, hidden) : Packed<S>();
  in_parallel<S>(steps, steps.total * gates * out, hidden, !projects,
                 [&](const TimeLoop& loop, const Units& units) {
                   lstm_loops<S>().backward({.steps = loop,
                                             .units = units,
                                             .H = hidden,
                                             .P = out,
                                             .recurrent = recurrent.panels(),
                                             .projection = projection.panels(),
                                             .gates = f.gates.data(),
                                             .cell = f.cell.data(),
                                             .tanh_cell = data_or_null(f.tanh_cell),
                                             .c0 = c0.data(),
                                             .up_output = data_or_null(upstream.output),
                                             .up_cell = data_or_null(upstream.cell),
                                             .state_wanted = wanted.state,
                                             .dh = d.h0.raw(),
                                             .dc = d.c0.raw(),
                                             .dh_steps = dh_steps.data(),
                                             .d_hidden = d_hidden.data(),
                                             .da = da.data()});
                 });

  const std::size_t in = w.weight_ih->shape()[1];
  if (wanted.weight_ih) d.weight_ih = weight_gradient(steps.total, da.data(), gates, x.data(), in);
  if (wanted.weight_hh) {
    d.weight_hh = Var<S>::uninitialized(w.weight_hh->shape());
    recurrent_weight_gradient(steps, da.data(), gates, gates, f.output.data(), h0, d.weight_hh.raw());
  }
  if (wanted.bias_ih || wanted.bias_hh) d.bias = bias_gradient(steps.total, da.data(), gates);
  if (projects && wanted.weight_hr)
    d.weight_hr = weight_gradient(steps.total, dh_steps.data(), out, f.unprojected.data(), hidden);
  if (wanted.x) d.x = input_gradient(steps.total, da.data(), *w.weight_ih, x.shape());
  return d;
}

#define UNROLL_INSTANTIATE(S)                                                                         \
  template LstmForward<S> lstm_forward(const Tensor<S>&, const Tensor<S>&, const Tensor<S>&,          \
                                       const LstmWeights<S>&, const Steps&, bool);                    \
  template LstmGradients<S> lstm_backward(const Tensor<S>&, const Tensor<S>&, const Tensor<S>&,       \
                                          const LstmWeights<S>&, const Steps&, const LstmForward<S>&, \
                                          const LstmUpstream<S>&, const Wanted&);
UNROLL_INSTANTIATE(float)
UNROLL_INSTANTIATE(double)
#undef UNROLL_INSTANTIATE

}  // namespace unroll::bptt
