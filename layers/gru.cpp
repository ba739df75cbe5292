#include "layers/gru.hpp"

#include "framework/errors.hpp"
#include "layers/both_directions.hpp"
#include "layers/bptt/gru.hpp"
#include "layers/fused.hpp"
#include "layers/wavefront.hpp"

namespace unroll {

template <class S>
GruCell<S>::GruCell(GruOptions opts, Rng& rng) : options(std::move(opts)) {
  detail::check_cell_sizes(kKind, options.input, options.hidden);
  const auto hidden = static_cast<std::size_t>(options.hidden),
             input = static_cast<std::size_t>(options.input);
  const detail::CellParameters<S> make(kKind, options.hidden, rng);
  weight_ih = make.uniform({3 * hidden, input}, "weight_ih");
  weight_hh = make.recurrent(3, hidden, options.recurrent_init, "weight_hh");
  if (options.bias != Bias::none) bias_ih = make.uniform({3 * hidden}, "bias_ih");
  if (options.bias == Bias::both) bias_hh = make.uniform({3 * hidden}, "bias_hh");
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
    // The candidate's rows multiply r h, the other two h itself.
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
  const auto H = static_cast<std::size_t>(options.hidden), I = static_cast<std::size_t>(options.input),
             rows = 3 * H;
  detail::check_cell_parameter(layer, "weight_ih", weight_ih, rows, I);
  detail::check_cell_parameter(layer, "weight_hh", weight_hh, rows, H);
  detail::check_cell_parameter(layer, "bias_ih", bias_ih, rows, 0, /*optional=*/true);
  detail::check_cell_parameter(layer, "bias_hh", bias_hh, rows, 0, /*optional=*/true);
}

template <class S>
const char* GruCell<S>::uncovered() const noexcept {
  if (options.gate_activation != Activation::sigmoid()) return "gate_activation";
  if (options.activation != Activation::tanh()) return "activation";
  return nullptr;
}

namespace {

// The kernel's weights among the inputs of the fused op, of which they are the ones from 2 on.
template <class S>
bptt::GruWeights<S> kernel_weights(const VarList<S>& inputs) {
  return {&inputs[2].value(), &inputs[3].value(), detail::tensor_or_null(inputs[4]),
          detail::tensor_or_null(inputs[5])};
}

template <class S>
bptt::GruWeights<S> cell_weights(const GruCell<S>& cell) {
  return {&cell.weight_ih.value(), &cell.weight_hh.value(), detail::tensor_or_null(cell.bias_ih),
          detail::tensor_or_null(cell.bias_hh)};
}

// The gradients that arrive at the op's outputs.
template <class S>
bptt::GruUpstream<S> kernel_upstream(const VarList<S>& up) {
  return {detail::tensor_or_null(up[0]), detail::tensor_or_null(up[1])};
}

bptt::GruVariant variant_of(const GruOptions& options) {
  return {options.reset == GruReset::after, options.update == GruUpdate::z_keeps};
}

// The kernel as a wavefront over layers calls it.
template <class S>
struct GruKernel {
  using Cell = GruCell<S>;
  using Forward = bptt::GruForward<S>;
  using ForwardPass = bptt::GruForwardPass<S>;
  using Backward = bptt::GruBackwardPass<S>;
  static constexpr const char* kOp = "gru";

  static void begin_forward(std::optional<ForwardPass>& pass, const Cell& cell, const Shape& x,
                            const Var<S>& h0, const bptt::Steps& steps, bool /*keep*/) {
    pass.emplace(x, h0.value(), cell_weights(cell), variant_of(cell.options), steps);
  }
  static Var<S> final_state(const Forward& f) { return f.h_n; }
  static void begin_backward(std::optional<Backward>& pass, const GruOptions& options, const VarList<S>& in,
                             const bptt::Steps& steps, const Forward& forward, const VarList<S>& up,
                             const Needed& needed) {
    pass.emplace(in[0].shape(), in[1].value(), kernel_weights(in), variant_of(options), steps, forward,
                 kernel_upstream(up), detail::wanted_gradients(needed, 1));
  }
  static VarList<S> gradients(bptt::GruGradients<S>& d, std::size_t inputs) {
    return detail::gradient_list<S>(inputs, std::move(d.x), std::move(d.h0), std::move(d.weight_ih),
                                    std::move(d.weight_hh), std::move(d.bias_ih), std::move(d.bias_hh));
  }
};

template <class S>
auto run_kernel(const GruCell<S>& cell, const Var<S>& x, const Var<S>& h0, const bptt::Steps& steps,
                bool all_states, bool /*keep*/) {
  const bptt::GruVariant variant = variant_of(cell.options);
  auto forward = bptt::gru_forward<S>(x.value(), h0.value(), cell_weights(cell), variant, steps);
  detail::LayerResult<S, Var<S>> result{forward.output, std::move(forward.h_n), {}};
  if (all_states) result.all = forward.output;
  auto rule = [variant, forward = std::move(forward)](const VarList<S>& in, const bptt::Steps& run,
                                                      const VarList<S>& up, const Needed& needed) {
    auto d = bptt::gru_backward<S>(in[0].value(), in[1].value(), kernel_weights(in), variant, run, forward,
                                   kernel_upstream(up), detail::wanted_gradients(needed, 1));
    return GruKernel<S>::gradients(d, needed.size());
  };
  return detail::FusedPass{std::move(result), std::move(rule)};
}

}  // namespace

template <class S>
detail::LayerResult<S, Var<S>> GruCell<S>::sequence(const Var<S>& x, const Var<S>& h0,
                                                    const bptt::Steps& steps, bool all_states) const {
  return detail::record_fused("gru", *this, x, h0, steps,
                              run_kernel(*this, x, h0, steps, all_states, Tape::is_recording()));
}

template <class S>
auto GruCell<S>::both_directions(std::span<const GruCell, 2> cells, const Var<S>& x,
                                 std::span<const Var<S>, 2> h0, const std::array<bptt::Steps, 2>& steps,
                                 bool all_states) -> std::array<detail::LayerResult<S, Var<S>>, 2> {
  return detail::fused_directions("gru", cells, x, h0, steps, all_states,
                                  [](const auto&... given) { return run_kernel<S>(given...); });
}

template <class S>
bool GruCell<S>::stack(std::span<const GruCell> cells, Var<S>& sequence, States<State>& states,
                       const bptt::Steps& steps) {
  return detail::fused_stack<GruKernel<S>>(cells, sequence, states, steps);
}

template struct GruCell<float>;
template struct GruCell<double>;
template class Recurrent<GruCell<float>>;
template class Recurrent<GruCell<double>>;

}  // namespace unroll
