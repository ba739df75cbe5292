#include "layers/gru.hpp"

#include <array>

#include "framework/errors.hpp"
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

template <class S>
detail::LayerResult<S, Var<S>> GruCell<S>::sequence(const Var<S>& x, const Var<S>& h0,
                                                    const bptt::Steps& steps, bool all_states) const {
  const bptt::GruVariant variant{options.reset == GruReset::after, options.update == GruUpdate::z_keeps};
  auto forward = bptt::gru_forward<S>(x.value(), h0.value(),
                                      {&weight_ih.value(), &weight_hh.value(),
                                       detail::tensor_or_null(bias_ih), detail::tensor_or_null(bias_hh)},
                                      variant, steps);
  std::array<Var<S>, 2> outputs{detail::sequence_output(std::move(forward.output), x),
                                Var<S>(std::move(forward.h_n))};
  detail::record_fused(
      "gru", *this, outputs, x, h0, steps,
      [variant, forward = std::move(forward), output = outputs[0]](
          const VarList<S>& in, const bptt::Steps& run, const VarList<S>& up, const Needed& needed) {
        auto d = bptt::gru_backward<S>(
            in[0].value(), in[1].value(),
            {&in[2].value(), &in[3].value(), detail::tensor_or_null(in[4]), detail::tensor_or_null(in[5])},
            variant, run, forward, output.value(),
            {detail::tensor_or_null(up[0]), detail::tensor_or_null(up[1])},
            detail::wanted_gradients(needed, 1));
        VarList<S> gradients;
        gradients.reserve(needed.size());
        for (Tensor<S>* g : {&d.x, &d.h0, &d.weight_ih, &d.weight_hh, &d.bias_ih, &d.bias_hh}) {
          gradients.push_back(detail::gradient_or_none(std::move(*g)));
        }
        return gradients;
      });
  detail::LayerResult<S, Var<S>> result{outputs[0], outputs[1], {}};
  if (all_states) result.all = outputs[0];
  return result;
}

template struct GruCell<float>;
template struct GruCell<double>;
template class Recurrent<GruCell<float>>;
template class Recurrent<GruCell<double>>;

}  // namespace unroll
