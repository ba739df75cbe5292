#include "layers/lstm.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "framework/errors.hpp"
#include "layers/kernels/fused.hpp"
#include "layers/stream.hpp"

namespace unroll {
namespace {

// The variants: activations, coupled gates, peepholes, layer normalisation.
template <class S>
LstmState<S> step_variant(const LstmCell<S>& cell, const Var<S>& x, const LstmState<S>& state) {
  const auto& options = cell.options;
  const Var<S> a =
      options.layer_norm
          ? layer_norm(linear(x, cell.weight_ih), cell.norm_ih, cell.bias_ih) +
                layer_norm(linear(state.h, cell.weight_hh), cell.norm_hh, cell.bias_hh)
          : linear(x, cell.weight_ih, cell.bias_ih) + linear(state.h, cell.weight_hh, cell.bias_hh);
  auto rows = chunk(a, options.coupled ? 3 : 4, 1);
  if (options.coupled) rows.insert(rows.begin() + 1, Var<S>());
  std::vector<Var<S>> peep(3);
  if (options.peepholes) peep = chunk(cell.weight_ch, options.coupled ? 2 : 3, 0);
  if (options.peepholes && options.coupled) peep.insert(peep.begin() + 1, Var<S>());
  const auto gate = [&](const Var<S>& row, const Var<S>& p, const Var<S>& c) {
    return options.gate_activation(options.peepholes ? row + p * c : row);
  };

  const Var<S> i = gate(rows[0], peep[0], state.c);
  const Var<S> f = options.coupled ? 1.0 - i : gate(rows[1], peep[1], state.c);
  const Var<S> g = options.activation(rows[2]);
  const Var<S> c = f * state.c + i * g;
  const Var<S> o = gate(rows[3], peep[2], c);
  const Var<S> h =
      o * options.output_activation(options.layer_norm ? layer_norm(c, cell.norm_c, cell.norm_c_bias) : c);
  return {options.projection > 0 ? linear(h, cell.weight_hr) : h, c};
}

}  // namespace

template <class S>
LstmCell<S>::LstmCell(LstmOptions opts, Rng& rng) : options(std::move(opts)) {
  detail::check_cell_sizes(kName, options.input, options.hidden);
  if (options.projection < 0 || options.projection >= options.hidden) {
    throw ArgumentError(fmt::format("[Lstm] projection: expected 0 (none) or 1..{} (below hidden), got {}",
                                    options.hidden - 1, options.projection));
  }
  if (options.forget_bias && options.bias == Bias::none) {
    throw ArgumentError("[Lstm] forget_bias: needs a bias (Bias::single or Bias::both)");
  }
  if (options.forget_bias && options.coupled) {
    throw ArgumentError("[Lstm] forget_bias: needs a forget gate, which a coupled LSTM does not have");
  }
  const auto hidden = static_cast<std::size_t>(options.hidden),
             output = static_cast<std::size_t>(output_size());
  const std::size_t count = options.coupled ? 3 : 4, rows = count * hidden;
  const detail::CellParameters<S> make(kName, options.hidden, rng);
  make.stacked(*this, count, output_size());
  if (options.projection > 0) weight_hr = make.uniform({output, hidden}, "weight_hr");
  if (options.peepholes) weight_ch = make.uniform({(count - 1) * hidden}, "weight_ch");
  if (options.layer_norm) {
    norm_ih = make.constant({rows}, 1.0, "norm_ih");
    norm_hh = make.constant({rows}, 1.0, "norm_hh");
    norm_c = make.constant({hidden}, 1.0, "norm_c");
    norm_c_bias = make.constant({hidden}, 0.0, "norm_c_bias");
  }
  if (options.forget_bias) {
    // PyTorch adds both biases: one of them gets all of it.
    for (Var<S>* bias : {&bias_ih, &bias_hh}) {
      if (!bias->defined()) continue;
      const double value = bias == &bias_ih ? *options.forget_bias : 0.0;
      std::fill_n(bias->mutable_value().data() + hidden, hidden, static_cast<S>(value));
    }
  }
}

template <class S>
LstmState<S> LstmCell<S>::step(const Var<S>& x, const State& state) const {
  if (unsupported_option() != nullptr) return step_variant(*this, x, state);
  const auto a = chunk(linear(x, weight_ih, bias_ih) + linear(state.h, weight_hh, bias_hh), 4, 1);
  const Var<S> i = sigmoid(a[0]), f = sigmoid(a[1]), g = tanh(a[2]), o = sigmoid(a[3]);
  const Var<S> c = f * state.c + i * g;
  const Var<S> h = o * tanh(c);
  return {options.projection > 0 ? linear(h, weight_hr) : h, c};
}

template <class S>
std::vector<std::string> LstmCell<S>::gates() const {
  if (options.coupled) return {"i", "g", "o"};
  return {"i", "f", "g", "o"};
}

template <class S>
void LstmCell<S>::check_parameters(const detail::LayerName& layer) const {
  const auto H = static_cast<std::size_t>(options.hidden), P = static_cast<std::size_t>(output_size());
  detail::check_stacked_parameters(layer, *this, options.coupled ? 3 : 4, output_size());
  if (options.projection > 0) {
    detail::check_cell_parameter(layer, "weight_hr", weight_hr, P, H);
  } else if (weight_hr.defined()) {
    throw ShapeError(
        fmt::format("[{}.forward] weight_hr: expected none for a cell without a projection, got {}",
                    layer.str(), to_string(weight_hr.shape())));
  }
}

template <class S>
const char* LstmCell<S>::unsupported_option() const noexcept {
  if (options.peepholes) return "peepholes";
  if (options.layer_norm) return "layer_norm";
  if (options.coupled) return "coupled";
  if (options.gate_activation != Activation::sigmoid()) return "gate_activation";
  if (options.activation != Activation::tanh()) return "activation";
  if (options.output_activation != Activation::tanh()) return "output_activation";
  return nullptr;
}

template <class S>
LstmState<S> LstmCell<S>::zero_state(std::size_t batch) const {
  return {Var<S>::zeros({batch, static_cast<std::size_t>(output_size())}),
          Var<S>::zeros({batch, static_cast<std::size_t>(options.hidden)})};
}

template <class S>
bptt::Kernel<S> LstmCell<S>::kernel() const noexcept {
  return lstm_kernel<S>();
}

template struct LstmCell<float>;
template struct LstmCell<double>;
template class Recurrent<LstmCell<float>>;
template class Recurrent<LstmCell<double>>;

}  // namespace unroll
