#include "layers/lstm.hpp"

#include <fmt/format.h>

#include <cmath>

#include "framework/errors.hpp"
#include "layers/bptt/lstm.hpp"
#include "layers/fused.hpp"

namespace unroll {

template <class S>
LstmCell<S>::LstmCell(LstmOptions opts, Rng& rng) : options(opts) {
  if (options.input < 1 || options.hidden < 1) {
    throw ArgumentError(
        fmt::format("[Lstm] sizes want >= 1, got input {} and hidden {}", options.input, options.hidden));
  }
  if (options.projection < 0 || options.projection >= options.hidden) {
    throw ArgumentError(fmt::format("[Lstm] projection want 0 (none) or 1..{} (below hidden), got {}",
                                    options.hidden - 1, options.projection));
  }
  const auto hidden = static_cast<std::size_t>(options.hidden),
             input = static_cast<std::size_t>(options.input),
             output = static_cast<std::size_t>(output_size());
  const double bound = 1.0 / std::sqrt(static_cast<double>(hidden));
  const auto make = [&](const Shape& shape, const char* name) {
    return parameter(random_uniform<S>(shape, -bound, bound, rng), name);
  };
  weight_ih = make({4 * hidden, input}, "weight_ih");
  weight_hh = make({4 * hidden, output}, "weight_hh");
  if (options.bias) {
    bias_ih = make({4 * hidden}, "bias_ih");
    bias_hh = make({4 * hidden}, "bias_hh");
  }
  if (options.projection > 0) weight_hr = make({output, hidden}, "weight_hr");
}

template <class S>
LstmState<S> LstmCell<S>::step(const Var<S>& x, const State& state) const {
  const Var<S> a = linear(x, weight_ih, bias_ih) + linear(state.h, weight_hh, bias_hh);
  const auto gates = chunk(a, 4, 1);
  const Var<S> i = sigmoid(gates[0]), f = sigmoid(gates[1]), g = tanh(gates[2]), o = sigmoid(gates[3]);
  const Var<S> c = f * state.c + i * g;
  const Var<S> h = o * tanh(c);
  return {options.projection > 0 ? linear(h, weight_hr) : h, c};
}

template <class S>
LstmState<S> LstmCell<S>::zero_state(std::size_t batch) const {
  return {Var<S>(zeros<S>({batch, static_cast<std::size_t>(output_size())})),
          Var<S>(zeros<S>({batch, static_cast<std::size_t>(options.hidden)}))};
}

template <class S>
detail::LayerResult<S, LstmState<S>> LstmCell<S>::sequence(const Var<S>& x, const State& state,
                                                           const bptt::Steps& steps) const {
  const auto weights = [](const Var<S>& w_ih, const Var<S>& w_hh, const Var<S>& b_ih, const Var<S>& b_hh,
                          const Var<S>& w_hr) {
    return bptt::LstmWeights<S>{&w_ih.value(), &w_hh.value(), detail::tensor_or_null(b_ih),
                                detail::tensor_or_null(b_hh), detail::tensor_or_null(w_hr)};
  };
  auto forward = std::make_shared<bptt::LstmForward<S>>(
      bptt::lstm_forward(x.value(), state.h.value(), state.c.value(),
                         weights(weight_ih, weight_hh, bias_ih, bias_hh, weight_hr), steps));
  std::vector<Var<S>> outputs{detail::sequence_output(std::move(forward->output), x),
                              Var<S>(std::move(forward->h_n)), Var<S>(std::move(forward->c_n))};
  detail::record_fused("lstm", *this, outputs, x, state, steps,
                       [=, x = x, h0 = state.h, c0 = state.c, w_ih = weight_ih, w_hh = weight_hh,
                        b_ih = bias_ih, b_hh = bias_hh, w_hr = weight_hr, output = outputs[0]](
                           const std::vector<const Tensor<S>*>& up, const std::vector<bool>& needed) {
                         const bptt::Wanted wanted{.x = needed[0],
                                                   .state = needed[1] || needed[2],
                                                   .weight_ih = needed[3],
                                                   .weight_hh = needed[4],
                                                   .bias_ih = needed[5],
                                                   .bias_hh = needed[6],
                                                   .weight_hr = needed[7]};
                         auto d = bptt::lstm_backward(x.value(), h0.value(), c0.value(),
                                                      weights(w_ih, w_hh, b_ih, b_hh, w_hr), steps, *forward,
                                                      output.value(), {up[0], up[1], up[2]}, wanted);
                         std::vector<Tensor<S>> result;
                         for (Tensor<S>* g : {&d.x, &d.h0, &d.c0, &d.weight_ih, &d.weight_hh})
                           result.push_back(std::move(*g));
                         result.push_back(d.bias);
                         result.push_back(std::move(d.bias));
                         result.push_back(std::move(d.weight_hr));
                         return result;
                       });
  return {outputs[0], {outputs[1], outputs[2]}};
}

template struct LstmCell<float>;
template struct LstmCell<double>;
template class Recurrent<LstmCell<float>>;
template class Recurrent<LstmCell<double>>;

}  // namespace unroll
