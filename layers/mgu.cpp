#include "layers/mgu.hpp"

#include "layers/kernels/fused.hpp"
#include "layers/stream.hpp"

namespace unroll {

template <class S>
MguCell<S>::MguCell(MguOptions opts, Rng& rng) : options(opts) {
  detail::check_cell_sizes(kName, options.input, options.hidden);
  detail::CellParameters<S>(kName, options.hidden, rng).stacked(*this, 2, options.hidden);
}

template <class S>
Var<S> MguCell<S>::step(const Var<S>& x, const Var<S>& h, const Var<S>& h_read) const {
  const auto from_x = chunk(linear(x, weight_ih, bias_ih), 2, 1);
  const auto weight = chunk(weight_hh, 2, 0);
  const auto bias = bias_hh.defined() ? chunk(bias_hh, 2, 0) : std::vector<Var<S>>(2);
  const Var<S> f = sigmoid(from_x[0] + linear(h_read, weight[0], bias[0]));
  const Var<S> n = tanh(from_x[1] + linear(f * h_read, weight[1], bias[1]));
  return (1.0 - f) * h + f * n;
}

template <class S>
void MguCell<S>::check_parameters(const detail::LayerName& layer) const {
  detail::check_stacked_parameters(layer, *this, 2, options.hidden);
}

template <class S>
bptt::Kernel<S> MguCell<S>::kernel() const noexcept {
  return mgu_kernel<S>();
}

template struct MguCell<float>;
template struct MguCell<double>;
template class Recurrent<MguCell<float>>;
template class Recurrent<MguCell<double>>;

}  // namespace unroll
