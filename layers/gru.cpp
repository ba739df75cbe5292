#include "layers/gru.hpp"

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
  const auto weights = [](const Var<S>& w_ih, const Var<S>& w_hh, const Var<S>& b_ih, const Var<S>& b_hh) {
    return bptt::GruWeights<S>{&w_ih.value(), &w_hh.value(), detail::tensor_or_null(b_ih),
                               detail::tensor_or_null(b_hh)};
  };
  const bptt::GruVariant variant{options.reset == GruReset::after, options.update == GruUpdate::z_keeps};
  auto forward = std::make_shared<bptt::GruForward<S>>(bptt::gru_forward(
      x.value(), h0.value(), weights(weight_ih, weight_hh, bias_ih, bias_hh), variant, steps));
  std::vector<Var<S>> outputs{detail::sequence_output(std::move(forward->output), x),
                              Var<S>(std::move(forward->h_n))};
  detail::record_fused(
      "gru", *this, outputs, x, h0, steps,
      [=, x = x, h0 = h0, w_ih = weight_ih, w_hh = weight_hh, b_ih = bias_ih, b_hh = bias_hh,
       output = outputs[0]](const std::vector<const Tensor<S>*>& up, const std::vector<bool>& needed) {
        auto d =
            bptt::gru_backward(x.value(), h0.value(), weights(w_ih, w_hh, b_ih, b_hh), variant, steps,
                               *forward, output.value(), {up[0], up[1]}, detail::wanted_gradients(needed, 1));
        std::vector<Tensor<S>> result;
        for (Tensor<S>* g : {&d.x, &d.h0, &d.weight_ih, &d.weight_hh, &d.bias_ih, &d.bias_hh}) {
          result.push_back(std::move(*g));
        }
        return result;
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
