#include "layers/bptt/lstm.hpp"

#include <algorithm>

#include "framework/kernels/simd.hpp"
#include "layers/bptt/products.hpp"

namespace unroll::bptt {
namespace {

// One row of one step. a (4H) holds the pre-activations without bias and receives i f g o; c (H) the old cell
// state and receives the new one.
template <class S>
void cell_forward(std::size_t hidden, const S* bias, S* a, S* c, S* cell, S* tanh_cell, S* m) {
  kernel::for_lanes<S>(hidden, [&](const auto& lane) {
    const auto i = kernel::sigmoid(lane.load(a) + lane.load(bias));
    const auto f = kernel::sigmoid(lane.load(a + hidden) + lane.load(bias + hidden));
    const auto g = xsimd::tanh(lane.load(a + 2 * hidden) + lane.load(bias + 2 * hidden));
    const auto o = kernel::sigmoid(lane.load(a + 3 * hidden) + lane.load(bias + 3 * hidden));
    const auto next = f * lane.load(c) + i * g;
    const auto squashed = xsimd::tanh(next);
    lane.store(a, i);
    lane.store(a + hidden, f);
    lane.store(a + 2 * hidden, g);
    lane.store(a + 3 * hidden, o);
    lane.store(c, next);
    lane.store(cell, next);
    lane.store(tanh_cell, squashed);
    lane.store(m, o * squashed);
  });
}

// The way back through one row. dm: d loss / d (o tanh c); dc (H) comes in as the gradient of c from later
// steps and leaves as that of the previous c; da (4H) receives the gradient of the pre-activations.
template <class S>
void cell_backward(std::size_t hidden, const S* gates, const S* tanh_cell, const S* c_before, const S* dm,
                   S* dc, S* da) {
  kernel::for_lanes<S>(hidden, [&](const auto& lane) {
    const auto i = lane.load(gates), f = lane.load(gates + hidden), g = lane.load(gates + 2 * hidden),
               o = lane.load(gates + 3 * hidden), squashed = lane.load(tanh_cell), up = lane.load(dm);
    const auto d_o = up * squashed;
    const auto d_c = lane.load(dc) + up * o * (S(1) - squashed * squashed);
    lane.store(da, d_c * g * i * (S(1) - i));
    lane.store(da + hidden, d_c * lane.load(c_before) * f * (S(1) - f));
    lane.store(da + 2 * hidden, d_c * i * (S(1) - g * g));
    lane.store(da + 3 * hidden, d_o * o * (S(1) - o));
    lane.store(dc, d_c * f);
  });
}

}  // namespace

template <class S>
LstmForward<S> lstm_forward(const Tensor<S>& x, const Tensor<S>& h0, const Tensor<S>& c0,
                            const LstmWeights<S>& w, const Steps& steps) {
  const std::size_t gates = w.weight_ih->shape()[0], hidden = gates / 4, out = w.weight_hh->shape()[1];
  const bool projects = w.weight_hr != nullptr;
  LstmForward<S> f;
  f.gates = Tensor<S>(Shape{steps.total, gates});
  f.cell = Tensor<S>(Shape{steps.total, hidden});
  f.tanh_cell = Tensor<S>(Shape{steps.total, hidden});
  f.output = Tensor<S>(Shape{steps.total, out});
  if (projects) f.unprojected = Tensor<S>(Shape{steps.total, hidden});
  f.h_n = h0;
  f.c_n = c0;

  // All input products at once; inside the loop only the recurrent ones remain.
  multiply_transposed(x.data(), steps.total, *w.weight_ih, f.gates.data());
  const Tensor<S> bias = combined_bias(w.bias_ih, w.bias_hh, gates);
  const RecurrentWeight<S> recurrent(w.weight_hh->data(), gates, out);

  for (std::size_t k = 0; k < steps.count(); ++k) {
    const std::size_t t = steps.time(k), rows = steps.rows[t], at = steps.offset[t];
    S* a = f.gates.data() + at * gates;
    recurrent.multiply(rows, f.h_n.data(), S(1), a, gates);
    S* m = (projects ? f.unprojected.data() : f.output.data()) + at * hidden;
    for (std::size_t r = 0; r < rows; ++r) {
      cell_forward(hidden, bias.data(), a + r * gates, f.c_n.data() + r * hidden,
                   f.cell.data() + (at + r) * hidden, f.tanh_cell.data() + (at + r) * hidden, m + r * hidden);
    }
    S* h = f.output.data() + at * out;
    if (projects) multiply_transposed(m, rows, *w.weight_hr, h);
    std::copy(h, h + rows * out, f.h_n.data());
  }
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
  Tensor<S> dh_steps, dm_row;
  if (projects) {
    dh_steps = Tensor<S>(Shape{steps.total, out});
    dm_row = Tensor<S>(Shape{steps.batch, hidden});
  }

  for (std::size_t k = steps.count(); k-- > 0;) {
    const std::size_t t = steps.time(k), rows = steps.rows[t], at = steps.offset[t],
                      kept = steps.continued(k);
    if (rows == 0) continue;
    S* dh = d.h0.data();
    add_rows(upstream.output, at * out, rows * out, dh);
    add_rows(upstream.cell, at * hidden, rows * hidden, d.c0.data());
    const S* dm = dh;
    if (projects) {
      std::copy(dh, dh + rows * out, dh_steps.data() + at * out);
      kernel::gemm(false, false, rows, hidden, out, S(1), dh, out, w.weight_hr->data(), hidden, S(0),
                   dm_row.data(), hidden);
      dm = dm_row.data();
    }
    const S* before = k == 0 ? nullptr : f.cell.data() + steps.offset[steps.time(k - 1)] * hidden;
    for (std::size_t r = 0; r < rows; ++r) {
      const S* c_before = (r < kept ? before : c0.data()) + r * hidden;
      cell_backward(hidden, f.gates.data() + (at + r) * gates, f.tanh_cell.data() + (at + r) * hidden,
                    c_before, dm + r * hidden, d.c0.data() + r * hidden, da.data() + (at + r) * gates);
    }
    if (k == 0 && !wanted.state) break;
    kernel::gemm(false, false, rows, out, gates, S(1), da.data() + at * gates, gates, w.weight_hh->data(),
                 out, S(0), dh, out);
  }

  const std::size_t in = w.weight_ih->shape()[1];
  if (wanted.weight_ih) d.weight_ih = weight_gradient(da, x.data(), in);
  if (wanted.weight_hh) d.weight_hh = weight_gradient(da, previous_rows(steps, output, h0).data(), out);
  if (wanted.bias_ih || wanted.bias_hh) d.bias = bias_gradient(da);
  if (projects && wanted.weight_hr) d.weight_hr = weight_gradient(dh_steps, f.unprojected.data(), hidden);
  if (wanted.x) d.x = input_gradient(da, *w.weight_ih, x.shape());
  return d;
}

#define UNROLL_INSTANTIATE(S)                                                                         \
  template LstmForward<S> lstm_forward(const Tensor<S>&, const Tensor<S>&, const Tensor<S>&,          \
                                       const LstmWeights<S>&, const Steps&);                          \
  template LstmGradients<S> lstm_backward(const Tensor<S>&, const Tensor<S>&, const Tensor<S>&,       \
                                          const LstmWeights<S>&, const Steps&, const LstmForward<S>&, \
                                          const Tensor<S>&, const LstmUpstream<S>&, const Wanted&);
UNROLL_INSTANTIATE(float)
UNROLL_INSTANTIATE(double)
#undef UNROLL_INSTANTIATE

}  // namespace unroll::bptt
