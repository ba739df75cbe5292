#include "layers/gru.hpp"

#include "framework/errors.hpp"
#include "layers/both_directions.hpp"
#include "layers/bptt/gru.hpp"
#include "layers/fused.hpp"

namespace unroll {

template <class S>
GruCell<S>::GruCell(GruOptions opts, Rng& rng) : options(std::move(opts)) {
  detail::check_cell_sizes(kKind, options.input, options.hidden);
  const auto hidden = static_cast<std::size_t>(options.hidden),
             input = static_cast<std::size_t>(options.input);
  const detail::CellParameters<S> make(options.hidden, rng);
  weight_ih = make.uniform({3 * hidden, input}, "weight_ih");
  weight_hh = make.recurrent(3, hidden, options.recurrent_init, "weight_hh");
  if (options.bias != Bias::none) bias_ih = make.uniform({3 * hidden}, "bias_ih");
  if (options.bias == Bias::both) bias_hh = make.uniform({3 * hidden}, "bias_hh");
}

template <class S>
Var<S> GruCell<S>::step(const Var<S>& x, const Var<S>& h, const Var<S>& h_read) const {
  const Index H = options.hidden;
  const Activation& squash = options.gate_activation;
  const auto input_part = chunk(linear(x, weight_ih, bias_ih), 3, 1);
  Var<S> r, z, n;
  if (options.reset == GruReset::after) {
    const auto state_part = chunk(linear(h_read, weight_hh, bias_hh), 3, 1);
    r = squash(input_part[0] + state_part[0]);
    z = squash(input_part[1] + state_part[1]);
    n = options.activation(input_part[2] + r * state_part[2]);
  } else {
    // The candidate's rows multiply r h, the other two h itself.
    const auto w = split(weight_hh, {2 * H, H}, 0);
    const auto b = bias_hh.defined() ? split(bias_hh, {2 * H, H}, 0) : std::vector<Var<S>>(2);
    const auto state_part = chunk(linear(h_read, w[0], b[0]), 2, 1);
    r = squash(input_part[0] + state_part[0]);
    z = squash(input_part[1] + state_part[1]);
    n = options.activation(input_part[2] + linear(r * h_read, w[1], b[1]));
  }
  return options.update == GruUpdate::z_keeps ? z * h + (1.0 - z) * n : (1.0 - z) * h + z * n;
}

template <class S>
const char* GruCell<S>::uncovered() const noexcept {
  if (options.gate_activation != Activation::sigmoid()) return "gate_activation";
  if (options.activation != Activation::tanh()) return "activation";
  return nullptr;
}

namespace {

template <class S>
auto run_kernel(const GruCell<S>& cell, const Var<S>& x, const Var<S>& h0, const bptt::Steps& steps,
                bool all_states, bool /*keep*/) {
  const bptt::GruVariant variant{cell.options.reset == GruReset::after,
                                 cell.options.update == GruUpdate::z_keeps};
  auto forward =
      bptt::gru_forward<S>(x.value(), h0.value(),
                           {&cell.weight_ih.value(), &cell.weight_hh.value(),
                            detail::tensor_or_null(cell.bias_ih), detail::tensor_or_null(cell.bias_hh)},
                           variant, steps);
  detail::LayerResult<S, Var<S>> result{forward.output, std::move(forward.h_n), {}};
  if (all_states) result.all = forward.output;
  auto rule = [variant, forward = std::move(forward)](const VarList<S>& in, const bptt::Steps& run,
                                                      const VarList<S>& up, const Needed& needed) {
    auto d = bptt::gru_backward<S>(
        in[0].value(), in[1].value(),
        {&in[2].value(), &in[3].value(), detail::tensor_or_null(in[4]), detail::tensor_or_null(in[5])},
        variant, run, forward, {detail::tensor_or_null(up[0]), detail::tensor_or_null(up[1])},
        detail::wanted_gradients(needed, 1));
    return detail::gradient_list<S>(needed.size(), std::move(d.x), std::move(d.h0), std::move(d.weight_ih),
                                    std::move(d.weight_hh), std::move(d.bias_ih), std::move(d.bias_hh));
  };
  return detail::FusedPass{std::move(result), std::move(rule)};
}

}  // namespace

template <class S>
detail::LayerResult<S, Var<S>> GruCell<S>::sequence(const Var<S>& x, const Var<S>& h0,
                                                    const bptt::Steps& steps, bool all_states) const {
  return detail::record_fused("gru", *this, x, h0, steps,
                              run_kernel(*this, x, h0, steps, all_states, Tape::is_recording()));
}

template <class S>
auto GruCell<S>::both_directions(std::span<const GruCell, 2> cells, const Var<S>& x,
                                 std::span<const Var<S>, 2> h0, const std::array<bptt::Steps, 2>& steps,
                                 bool all_states) -> std::array<detail::LayerResult<S, Var<S>>, 2> {
  return detail::fused_directions("gru", cells, x, h0, steps, all_states,
                                  [](const auto&... given) { return run_kernel<S>(given...); });
}

template struct GruCell<float>;
template struct GruCell<double>;
template class Recurrent<GruCell<float>>;
template class Recurrent<GruCell<double>>;

}  // namespace unroll
