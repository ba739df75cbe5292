#include "layers/rnn.hpp"

#include "framework/errors.hpp"
#include "layers/bptt/rnn.hpp"
#include "layers/fused.hpp"

namespace unroll {

template <class S>
RnnCell<S>::RnnCell(RnnOptions opts, Rng& rng) : options(std::move(opts)) {
  detail::check_cell_sizes(kKind, options.input, options.hidden);
  const auto hidden = static_cast<std::size_t>(options.hidden),
             input = static_cast<std::size_t>(options.input);
  const detail::CellParameters<S> make(options.hidden, rng);
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
const char* RnnCell<S>::uncovered() const noexcept {
  if (options.activation == Activation::tanh() || options.activation == Activation::relu()) return nullptr;
  return "activation";
}

template <class S>
detail::LayerResult<S, Var<S>> RnnCell<S>::sequence(const Var<S>& x, const Var<S>& h0,
                                                    const bptt::Steps& steps, bool all_states) const {
  const auto weights = [](const Var<S>& w_ih, const Var<S>& w_hh, const Var<S>& b_ih, const Var<S>& b_hh) {
    return bptt::RnnWeights<S>{&w_ih.value(), &w_hh.value(), detail::tensor_or_null(b_ih),
                               detail::tensor_or_null(b_hh)};
  };
  const bool relu = options.activation == Activation::relu();
  auto forward =
      bptt::rnn_forward(x.value(), h0.value(), weights(weight_ih, weight_hh, bias_ih, bias_hh), relu, steps);
  std::vector<Var<S>> outputs{detail::sequence_output(std::move(forward.output), x),
                              Var<S>(std::move(forward.h_n))};
  detail::record_fused(
      "rnn", *this, outputs, x, h0, steps,
      [=, x = x, h0 = h0, w_ih = weight_ih, w_hh = weight_hh, b_ih = bias_ih, b_hh = bias_hh,
       output = outputs[0]](const std::vector<const Tensor<S>*>& up, const std::vector<bool>& needed) {
        auto d = bptt::rnn_backward(x.value(), h0.value(), weights(w_ih, w_hh, b_ih, b_hh), relu, steps,
                                    output.value(), {up[0], up[1]}, detail::wanted_gradients(needed, 1));
        std::vector<Tensor<S>> result;
        for (Tensor<S>* g : {&d.x, &d.h0, &d.weight_ih, &d.weight_hh}) result.push_back(std::move(*g));
        result.push_back(d.bias);
        result.push_back(std::move(d.bias));
        return result;
      });
  detail::LayerResult<S, Var<S>> result{outputs[0], outputs[1], {}};
  if (all_states) result.all = outputs[0];
  return result;
}

template struct RnnCell<float>;
template struct RnnCell<double>;
template class Recurrent<RnnCell<float>>;
template class Recurrent<RnnCell<double>>;

}  // namespace unroll
