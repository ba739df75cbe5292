#include "layers/rnn.hpp"

#include "framework/errors.hpp"
#include "layers/both_directions.hpp"
#include "layers/bptt/rnn.hpp"
#include "layers/fused.hpp"
#include "layers/wavefront.hpp"

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
const char* RnnCell<S>::uncovered() const noexcept {
  if (options.activation == Activation::tanh() || options.activation == Activation::relu()) return nullptr;
  return "activation";
}

namespace {

// The kernel's weights among the inputs of the fused op, of which they are the ones from 2 on.
template <class S>
bptt::RnnWeights<S> kernel_weights(const VarList<S>& inputs) {
  return {&inputs[2].value(), &inputs[3].value(), detail::tensor_or_null(inputs[4]),
          detail::tensor_or_null(inputs[5])};
}

template <class S>
bptt::RnnWeights<S> cell_weights(const RnnCell<S>& cell) {
  return {&cell.weight_ih.value(), &cell.weight_hh.value(), detail::tensor_or_null(cell.bias_ih),
          detail::tensor_or_null(cell.bias_hh)};
}

// The gradients that arrive at the op's outputs.
template <class S>
bptt::RnnUpstream<S> kernel_upstream(const VarList<S>& up) {
  return {detail::tensor_or_null(up[0]), detail::tensor_or_null(up[1])};
}

bool is_relu(const RnnOptions& options) { return options.activation == Activation::relu(); }

// The kernel as a wavefront over layers calls it.
template <class S>
struct RnnKernel {
  using Cell = RnnCell<S>;
  using Forward = bptt::RnnForward<S>;
  using ForwardPass = bptt::RnnForwardPass<S>;
  using Backward = bptt::RnnBackwardPass<S>;
  static constexpr const char* kOp = "rnn";

  static void begin_forward(std::optional<ForwardPass>& pass, const Cell& cell, const Shape& x,
                            const Var<S>& h0, const bptt::Steps& steps, bool /*keep*/) {
    pass.emplace(x, h0.value(), cell_weights(cell), is_relu(cell.options), steps);
  }
  static Var<S> final_state(const Forward& f) { return f.h_n; }
  static void begin_backward(std::optional<Backward>& pass, const RnnOptions& options, const VarList<S>& in,
                             const bptt::Steps& steps, const Forward& forward, const VarList<S>& up,
                             const Needed& needed) {
    pass.emplace(in[0].shape(), in[1].value(), kernel_weights(in), is_relu(options), steps,
                 forward.output.value(), kernel_upstream(up), detail::wanted_gradients(needed, 1));
  }
  static VarList<S> gradients(bptt::RnnGradients<S>& d, std::size_t inputs) {
    return detail::gradient_list<S>(inputs, std::move(d.x), std::move(d.h0), std::move(d.weight_ih),
                                    std::move(d.weight_hh), d.bias, d.bias);
  }
};

template <class S>
auto run_kernel(const RnnCell<S>& cell, const Var<S>& x, const Var<S>& h0, const bptt::Steps& steps,
                bool all_states, bool /*keep*/) {
  const bool relu = is_relu(cell.options);
  auto forward = bptt::rnn_forward<S>(x.value(), h0.value(), cell_weights(cell), relu, steps);
  detail::LayerResult<S, Var<S>> result{forward.output, std::move(forward.h_n), {}};
  if (all_states) result.all = forward.output;
  auto rule = [relu, output = std::move(forward.output)](const VarList<S>& in, const bptt::Steps& run,
                                                         const VarList<S>& up, const Needed& needed) {
    auto d = bptt::rnn_backward<S>(in[0].value(), in[1].value(), kernel_weights(in), relu, run,
                                   output.value(), kernel_upstream(up), detail::wanted_gradients(needed, 1));
    return RnnKernel<S>::gradients(d, needed.size());
  };
  return detail::FusedPass{std::move(result), std::move(rule)};
}

}  // namespace

template <class S>
detail::LayerResult<S, Var<S>> RnnCell<S>::sequence(const Var<S>& x, const Var<S>& h0,
                                                    const bptt::Steps& steps, bool all_states) const {
  return detail::record_fused("rnn", *this, x, h0, steps,
                              run_kernel(*this, x, h0, steps, all_states, Tape::is_recording()));
}

template <class S>
auto RnnCell<S>::both_directions(std::span<const RnnCell, 2> cells, const Var<S>& x,
                                 std::span<const Var<S>, 2> h0, const std::array<bptt::Steps, 2>& steps,
                                 bool all_states) -> std::array<detail::LayerResult<S, Var<S>>, 2> {
  return detail::fused_directions("rnn", cells, x, h0, steps, all_states,
                                  [](const auto&... given) { return run_kernel<S>(given...); });
}

template <class S>
bool RnnCell<S>::stack(std::span<const RnnCell> cells, Var<S>& sequence, States<State>& states,
                       const bptt::Steps& steps) {
  return detail::fused_stack<RnnKernel<S>>(cells, sequence, states, steps);
}

template struct RnnCell<float>;
template struct RnnCell<double>;
template class Recurrent<RnnCell<float>>;
template class Recurrent<RnnCell<double>>;

}  // namespace unroll
