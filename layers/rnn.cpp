#include "layers/rnn.hpp"

#include <array>

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
  const bool relu = options.activation == Activation::relu();
  auto forward = bptt::rnn_forward<S>(x.value(), h0.value(),
                                      {&weight_ih.value(), &weight_hh.value(),
                                       detail::tensor_or_null(bias_ih), detail::tensor_or_null(bias_hh)},
                                      relu, steps);
  std::array<Var<S>, 2> outputs{detail::sequence_output(std::move(forward.output), x),
                                Var<S>(std::move(forward.h_n))};
  detail::record_fused(
      "rnn", *this, outputs, x, h0, steps,
      [relu, output = outputs[0]](const VarList<S>& in, const bptt::Steps& run, const VarList<S>& up,
                                  const Needed& needed) {
        auto d = bptt::rnn_backward<S>(
            in[0].value(), in[1].value(),
            {&in[2].value(), &in[3].value(), detail::tensor_or_null(in[4]), detail::tensor_or_null(in[5])},
            relu, run, output.value(), {detail::tensor_or_null(up[0]), detail::tensor_or_null(up[1])},
            detail::wanted_gradients(needed, 1));
        VarList<S> gradients;
        gradients.reserve(needed.size());
        for (Tensor<S>* g : {&d.x, &d.h0, &d.weight_ih, &d.weight_hh}) {
          gradients.push_back(detail::gradient_or_none(std::move(*g)));
        }
        const Var<S> bias = detail::gradient_or_none(std::move(d.bias));
        gradients.push_back(bias);
        gradients.push_back(bias);
        return gradients;
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
