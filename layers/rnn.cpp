#include "layers/rnn.hpp"

#include "layers/kernels/fused.hpp"
#include "layers/stream.hpp"

namespace unroll {

template <class S>
RnnCell<S>::RnnCell(RnnOptions opts, Rng& rng) : options(std::move(opts)) {
  detail::check_cell_sizes(kName, options.input, options.hidden);
  detail::CellParameters<S>(kName, options.hidden, rng).stacked(*this, 1, options.hidden);
}

template <class S>
Var<S> RnnCell<S>::step(const Var<S>& x, const Var<S>& h) const {
  return options.activation(linear(x, weight_ih, bias_ih) + linear(h, weight_hh, bias_hh));
}

template <class S>
void RnnCell<S>::check_parameters(const detail::LayerName& layer) const {
  detail::check_stacked_parameters(layer, *this, 1, options.hidden);
}

template <class S>
const char* RnnCell<S>::unsupported_option() const noexcept {
  if (options.activation == Activation::tanh() || options.activation == Activation::relu()) return nullptr;
  return "activation";
}

template <class S>
bptt::Kernel<S> RnnCell<S>::kernel() const noexcept {
  return rnn_kernel<S>(options.activation == Activation::relu());
}

template struct RnnCell<float>;
template struct RnnCell<double>;
template class Recurrent<RnnCell<float>>;
template class Recurrent<RnnCell<double>>;

}  // namespace unroll
