#include "layers/rnn.hpp"

#include "framework/errors.hpp"
#include "layers/kernels/fused.hpp"
#include "layers/kernels/rnn.hpp"

namespace unroll {

template <class S>
RnnCell<S>::RnnCell(RnnOptions opts, Rng& rng) : options(std::move(opts)) {
  detail::check_cell_sizes(kKind, options.input, options.hidden);
  const auto hidden = static_cast<std::size_t>(options.hidden),
             input = static_cast<std::size_t>(options.input);
  const detail::CellParameters<S> make(kKind, options.hidden, rng);
  weight_ih = make.uniform({hidden, input}, "weight_ih");
  weight_hh = make.recurrent(1, hidden, options.recurrent_init, "weight_hh");
  if (options.bias != Bias::none) bias_ih = make.uniform({hidden}, "bias_ih");
  if (options.bias == Bias::both) bias_hh = make.uniform({hidden}, "bias_hh");
}

template <class S>
Var<S> RnnCell<S>::step(const Var<S>& x, const Var<S>& h) const {
  return options.activation(linear(x, weight_ih, bias_ih) + linear(h, weight_hh, bias_hh));
}

template <class S>
void RnnCell<S>::check_parameters(const detail::LayerName& layer) const {
  const auto H = static_cast<std::size_t>(options.hidden), I = static_cast<std::size_t>(options.input);
  detail::check_cell_parameter(layer, "weight_ih", weight_ih, H, I);
  detail::check_cell_parameter(layer, "weight_hh", weight_hh, H, H);
  detail::check_cell_parameter(layer, "bias_ih", bias_ih, H, 0, /*optional=*/true);
  detail::check_cell_parameter(layer, "bias_hh", bias_hh, H, 0, /*optional=*/true);
}

template <class S>
const char* RnnCell<S>::unsupported_option() const noexcept {
  if (options.activation == Activation::tanh() || options.activation == Activation::relu()) return nullptr;
  return "activation";
}

template <class S>
bptt::Kernel<S> RnnCell<S>::kernel() const noexcept {
  return {&bptt::rnn_kernel<S>(), options.activation == Activation::relu()};
}

template struct RnnCell<float>;
template struct RnnCell<double>;
template class Recurrent<RnnCell<float>>;
template class Recurrent<RnnCell<double>>;

}  // namespace unroll
