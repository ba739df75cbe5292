#include "layers/gru.hpp"

#include "layers/kernels/fused.hpp"
#include "layers/stream.hpp"

namespace unroll {

template <class S>
GruCell<S>::GruCell(GruOptions opts, Rng& rng) : options(std::move(opts)) {
  detail::check_cell_sizes(kName, options.input, options.hidden);
  detail::CellParameters<S>(kName, options.hidden, rng).stacked(*this, 3, options.hidden);
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
    // The candidate's rows multiply r h, the other two gates' rows h.
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
void GruCell<S>::check_parameters(const detail::LayerName& layer) const {
  detail::check_stacked_parameters(layer, *this, 3, options.hidden);
}

template <class S>
const char* GruCell<S>::unsupported_option() const noexcept {
  if (options.gate_activation != Activation::sigmoid()) return "gate_activation";
  if (options.activation != Activation::tanh()) return "activation";
  return nullptr;
}

template <class S>
bptt::Kernel<S> GruCell<S>::kernel() const noexcept {
  return gru_kernel<S>(options.reset == GruReset::after, options.update == GruUpdate::z_keeps);
}

template struct GruCell<float>;
template struct GruCell<double>;
template class Recurrent<GruCell<float>>;
template class Recurrent<GruCell<double>>;

}  // namespace unroll
