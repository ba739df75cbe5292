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
LstmForwardPass<S>::LstmForwardPass(const Shape& x, const Tensor<S>& h0, const Tensor<S>& c0,
                                    const LstmWeights<S>& w, const Steps& steps, bool keep)
    : in_(w.weight_ih->shape()[1]), out_(w.weight_hh->shape()[1]), hidden_(w.weight_ih->shape()[0] / 4) {
  const std::size_t gates = 4 * hidden_;
  const bool projects = w.weight_hr != nullptr;
  LstmForward<S>& f = result;
  f.gates = Var<S>::uninitialized({steps.total, gates});
  if (keep) {
    f.cell = Var<S>::uninitialized(with_width(x, hidden_));
    if (steps.total * hidden_ <= kLargestKeptTanh)
      f.tanh_cell = Var<S>::uninitialized({steps.total, hidden_});
  }
  f.output = Var<S>::uninitialized(with_width(x, out_));
  if (projects) f.unprojected = Var<S>::uninitialized({steps.total, hidden_});
  f.h_n = Var<S>::copy_of(h0);
  f.c_n = Var<S>::copy_of(c0);

  alone_ = steps.batch == 1 && !projects && hidden_ % kernel::packing<S>().width == 0;
  // All input products at once, so that inside the loop only the recurrent ones remain; but small ones there,
  // where they cost nothing while the loop waits for itself.
  input_inside_ = alone_ && gates * in_ <= kLargestInputInside;
  if (input_inside_) {
    input_columns_ = Packed<S>::by_register(w.weight_ih->data(), gates, in_);
  } else {
    input_ = {steps.total, *w.weight_ih};
  }
  bias_ = combined_bias(w.bias_ih, w.bias_hh, gates);
  recurrent_ = alone_ ? Packed<S>::by_register(w.weight_hh->data(), gates, out_)
                      : Packed<S>::transposed(w.weight_hh->data(), gates, out_);
  if (projects) projection_ = Packed<S>::transposed(w.weight_hr->data(), out_, hidden_);
}

template <class S>
void LstmForwardPass<S>::run(const Stretch& stretch, const S* x) {
  const Steps& steps = stretch.steps;
  const std::size_t gates = 4 * hidden_, row = stretch.row;
  const LstmForward<S>& f = result;
  S* own_gates = f.gates.raw() + row * gates;
  if (!input_inside_) input_.run(steps.total, x + row * in_, own_gates);
  in_parallel<S>(steps, steps.total * gates * out_, hidden_, projection_.empty(),
                 [&](const TimeLoop& loop, const Units& units) {
                   lstm_loops<S>().forward(
                       {.steps = loop,
                        .units = units,
                        .H = hidden_,
                        .P = out_,
                        .recurrent = recurrent_.panels(),
                        .projection = projection_.panels(),
                        .alone = alone_,
                        .input = input_columns_.panels(),
                        .x = x + row * in_,
                        .I = in_,
                        .bias = bias_.data(),
                        .gates = own_gates,
                        .cell = rows_or_null(f.cell, row, hidden_),
                        .tanh_cell = rows_or_null(f.tanh_cell, row, hidden_),
                        .hidden = rows_or_null(projection_.empty() ? f.output : f.unprojected, row, hidden_),
                        .output = f.output.raw() + row * out_,
                        .h = f.h_n.raw(),
                        .c = f.c_n.raw()});
                 });
}

template <class S>
LstmForward<S> lstm_forward(const Tensor<S>& x, const Tensor<S>& h0, const Tensor<S>& c0,
                            const LstmWeights<S>& w, const Steps& steps, bool keep) {
  LstmForwardPass<S> pass(x.shape(), h0, c0, w, steps, keep);
  pass.run({steps}, x.data());
  return std::move(pass.result);
}

template <class S>
LstmBackwardPass<S>::LstmBackwardPass(const Shape& x, const Tensor<S>& h0, const Tensor<S>& c0,
                                      const LstmWeights<S>& w, const Steps& steps, const LstmForward<S>& f,
                                      const LstmUpstream<S>& upstream, const Wanted& wanted)
    : h0_(h0), c0_(c0), w_(w), steps_(steps), f_(f), up_cell_(upstream.cell), wanted_(wanted) {
  const std::size_t gates = w.weight_ih->shape()[0], hidden = gates / 4, out = w.weight_hh->shape()[1];
  const bool projects = w.weight_hr != nullptr;
  result.h0 = state_gradient(upstream.h_n, h0);  // runs back through time as dh
  result.c0 = state_gradient(upstream.c_n, c0);  // and this as dc
  if (wanted.x) result.x = Var<S>::uninitialized(x);
  da_ = Buffer<S>(steps.total * gates);
  if (projects) dh_steps_ = Buffer<S>(steps.total * out), d_hidden_ = Buffer<S>(steps.batch * hidden);
  recurrent_ = Packed<S>::borrowed(w.weight_hh->data(), gates, out);
  if (projects) projection_ = Packed<S>::borrowed(w.weight_hr->data(), out, hidden);
}

template <class S>
void LstmBackwardPass<S>::run(const Stretch& stretch, const S* up_output) {
  const Steps& steps = stretch.steps;
  const std::size_t gates = w_.weight_ih->shape()[0], hidden = gates / 4, out = w_.weight_hh->shape()[1],
                    row = stretch.row;
  in_parallel<S>(steps, steps.total * gates * out, hidden, projection_.empty(),
                 [&](const TimeLoop& loop, const Units& units) {
                   lstm_loops<S>().backward(
                       {.steps = loop,
                        .units = units,
                        .H = hidden,
                        .P = out,
                        .recurrent = recurrent_.panels(),
                        .projection = projection_.panels(),
                        .gates = f_.gates.data() + row * gates,
                        .cell = f_.cell.data() + row * hidden,
                        .tanh_cell = rows_or_null(f_.tanh_cell, row, hidden),
                        .c0 = stretch.before(f_.cell.data(), hidden, c0_.data()),
                        .up_output = up_output != nullptr ? up_output + row * out : nullptr,
                        .up_cell = up_cell_ != nullptr ? up_cell_->data() + row * hidden : nullptr,
                        .state_wanted = wanted_.state || !stretch.begins,
                        .dh = result.h0.raw(),
                        .dc = result.c0.raw(),
                        .dh_steps = w_.weight_hr != nullptr ? dh_steps_.data() + row * out : nullptr,
                        .d_hidden = d_hidden_.data(),
                        .da = da_.data() + row * gates});
                 });
}

template <class S>
void LstmBackwardPass<S>::run_input(const Stretch& stretch) {
  if (!wanted_.x) return;
  if (input_.empty()) input_ = {steps_.total, *w_.weight_ih};
  const std::size_t gates = w_.weight_ih->shape()[0], in = w_.weight_ih->shape()[1];
  input_.run(stretch.steps.total, da_.data() + stretch.row * gates, result.x.raw() + stretch.row * in);
}

template <class S>
void LstmBackwardPass<S>::run_weights(const S* x) {
  const std::size_t gates = w_.weight_ih->shape()[0], hidden = gates / 4, in = w_.weight_ih->shape()[1],
                    out = w_.weight_hh->shape()[1], total = steps_.total;
  if (wanted_.weight_ih) result.weight_ih = weight_gradient(total, da_.data(), gates, x, in);
  if (wanted_.weight_hh) {
    result.weight_hh = Var<S>::uninitialized(w_.weight_hh->shape());
    recurrent_weight_gradient(steps_, da_.data(), gates, gates, f_.output.data(), h0_,
                              result.weight_hh.raw());
  }
  if (wanted_.bias_ih || wanted_.bias_hh) result.bias = bias_gradient(total, da_.data(), gates);
  if (w_.weight_hr != nullptr && wanted_.weight_hr)
    result.weight_hr = weight_gradient(total, dh_steps_.data(), out, f_.unprojected.data(), hidden);
}

template <class S>
LstmGradients<S> lstm_backward(const Tensor<S>& x, const Tensor<S>& h0, const Tensor<S>& c0,
                               const LstmWeights<S>& w, const Steps& steps, const LstmForward<S>& f,
                               const LstmUpstream<S>& upstream, const Wanted& wanted) {
  LstmBackwardPass<S> pass(x.shape(), h0, c0, w, steps, f, upstream, wanted);
  pass.run({steps}, data_or_null(upstream.output));
  pass.run_weights(x.data());
  pass.run_input({steps});
  return std::move(pass.result);
}

#define UNROLL_INSTANTIATE(S)                                                                         \
  template class LstmForwardPass<S>;                                                                  \
  template class LstmBackwardPass<S>;                                                                 \
  template LstmForward<S> lstm_forward(const Tensor<S>&, const Tensor<S>&, const Tensor<S>&,          \
                                       const LstmWeights<S>&, const Steps&, bool);                    \
  template LstmGradients<S> lstm_backward(const Tensor<S>&, const Tensor<S>&, const Tensor<S>&,       \
                                          const LstmWeights<S>&, const Steps&, const LstmForward<S>&, \
                                          const LstmUpstream<S>&, const Wanted&);
UNROLL_INSTANTIATE(float)
UNROLL_INSTANTIATE(double)
#undef UNROLL_INSTANTIATE

}  // namespace unroll::bptt
