#include "layers/rnn.hpp"

#include <fmt/format.h>

#include <cmath>

#include "framework/errors.hpp"
#include "layers/bptt/rnn.hpp"
#include "layers/fused.hpp"

namespace unroll {

template <class S>
RnnCell<S>::RnnCell(RnnOptions opts, Rng& rng) : options(opts) {
  if (options.input < 1 || options.hidden < 1) {
    throw ArgumentError(
        fmt::format("[Rnn] sizes want >= 1, got input {} and hidden {}", options.input, options.hidden));
  }
  const auto hidden = static_cast<std::size_t>(options.hidden),
             input = static_cast<std::size_t>(options.input);
  const double bound = 1.0 / std::sqrt(static_cast<double>(hidden));
  const auto make = [&](const Shape& shape, const char* name) {
    return parameter(random_uniform<S>(shape, -bound, bound, rng), name);
  };
  weight_ih = make({hidden, input}, "weight_ih");
  weight_hh = make({hidden, hidden}, "weight_hh");
  if (options.bias) {
    bias_ih = make({hidden}, "bias_ih");
    bias_hh = make({hidden}, "bias_hh");
  }
}

template <class S>
Var<S> RnnCell<S>::step(const Var<S>& x, const Var<S>& h) const {
  const Var<S> a = linear(x, weight_ih, bias_ih) + linear(h, weight_hh, bias_hh);
  return options.activation == RnnActivation::relu ? relu(a) : tanh(a);
}

template <class S>
detail::LayerResult<S, Var<S>> RnnCell<S>::sequence(const Var<S>& x, const Var<S>& h0,
                                                    const bptt::Steps& steps) const {
  const auto weights = [](const Var<S>& w_ih, const Var<S>& w_hh, const Var<S>& b_ih, const Var<S>& b_hh) {
    return bptt::RnnWeights<S>{&w_ih.value(), &w_hh.value(), detail::tensor_or_null(b_ih),
                               detail::tensor_or_null(b_hh)};
  };
  const bool relu = options.activation == RnnActivation::relu;
  auto forward =
      bptt::rnn_forward(x.value(), h0.value(), weights(weight_ih, weight_hh, bias_ih, bias_hh), relu, steps);
  std::vector<Var<S>> outputs{detail::sequence_output(std::move(forward.output), x),
                              Var<S>(std::move(forward.h_n))};
  detail::record_fused(
      "rnn", *this, outputs, x, h0, steps,
      [=, x = x, h0 = h0, w_ih = weight_ih, w_hh = weight_hh, b_ih = bias_ih, b_hh = bias_hh,
       output = outputs[0]](const std::vector<const Tensor<S>*>& up, const std::vector<bool>& needed) {
        const bptt::Wanted wanted{.x = needed[0],
                                  .state = needed[1],
                                  .weight_ih = needed[2],
                                  .weight_hh = needed[3],
                                  .bias_ih = needed[4],
                                  .bias_hh = needed[5]};
        auto d = bptt::rnn_backward(x.value(), h0.value(), weights(w_ih, w_hh, b_ih, b_hh), relu, steps,
                                    output.value(), {up[0], up[1]}, wanted);
        std::vector<Tensor<S>> result;
        for (Tensor<S>* g : {&d.x, &d.h0, &d.weight_ih, &d.weight_hh}) result.push_back(std::move(*g));
        result.push_back(d.bias);
        result.push_back(std::move(d.bias));
        return result;
      });
  return {outputs[0], outputs[1]};
}

template struct RnnCell<float>;
template struct RnnCell<double>;
template class Recurrent<RnnCell<float>>;
template class Recurrent<RnnCell<double>>;

}  // namespace unroll
