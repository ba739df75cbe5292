#include "layers/kernels/gru.hpp"

#include <algorithm>

#include "layers/kernels/gru_loop.hpp"

namespace unroll::bptt {

using kernel::Packed;

template <class S>
GruForward<S>::GruForward(const GruOptions& options, const Shape& x, const VarList<S>& inputs,
                          const BatchLayout& layout, bool /*keep*/)
    : reset_after_(options.reset == GruReset::after),
      z_keeps_(options.update == GruUpdate::z_keeps),
      in_(input_width<1>(inputs)),
      hidden_(gate_rows<1>(inputs) / 3) {
  using In = InputIndex<1>;
  const std::size_t H = hidden_, gates = 3 * H;
  result.gates = Var<S>::uninitialized({layout.total, gates});
  result.candidate = Var<S>::uninitialized({layout.total, H});
  result.output = Var<S>::uninitialized(with_width(x, H));
  result.h_n = Var<S>::copy_of(inputs[In::h0].value());
  input_ = {layout.total, inputs[In::weight_ih].value()};

  // With reset after, b_hn stands inside the reset and must not be merged into the rest.
  const Var<S>&bias_ih = inputs[In::bias_ih], &bias_hh = inputs[In::bias_hh];
  bias_ = combined_bias(bias_ih, bias_hh, gates);
  bias_hn_ = Buffer<S>(H);
  std::fill_n(bias_hn_.begin(), H, S(0));
  if (reset_after_ && bias_hh.defined()) {
    std::copy_n(bias_hh.data() + 2 * H, H, bias_hn_.begin());
    for (std::size_t j = 2 * H; j < gates; ++j) bias_[j] = bias_ih.defined() ? bias_ih.data()[j] : S(0);
  }
  const S* weight_hh = inputs[In::weight_hh].data();
  weight_rz_ = Packed<S>::transposed(weight_hh, 2 * H, H);
  weight_n_ = Packed<S>::transposed(weight_hh + 2 * H * H, H, H);
}

template <class S>
void GruForward<S>::run(const TimeChunk& chunk, const S* x) {
  const BatchLayout& layout = chunk.layout;
  const std::size_t H = hidden_, row = chunk.row;
  S* gates = result.gates.raw() + row * 3 * H;
  input_.run(layout.total, x + row * in_, gates);
  in_parallel<S>(layout, layout.total * 3 * H * H, H, true,
                 [&](const TimeLoop& loop, const UnitRange& units) {
                   gru_loops<S>().forward({.steps = loop,
                                           .units = units,
                                           .H = H,
                                           .reset_after = reset_after_,
                                           .z_keeps = z_keeps_,
                                           .weight_rz = weight_rz_.panels(),
                                           .weight_n = weight_n_.panels(),
                                           .bias = bias_.data(),
                                           .bias_hn = bias_hn_.data(),
                                           .gates = gates,
                                           .candidate = result.candidate.raw() + row * H,
                                           .output = result.output.raw() + row * H,
                                           .h = result.h_n.raw()});
                 });
}

template <class S>
GruBackward<S>::GruBackward(const GruOptions& options, const VarList<S>& inputs, const BatchLayout& layout,
                            const GruResult<S>& result, const VarList<S>& upstream, const Needed& needed)
    : BackwardPass<S, 1>(inputs, layout, upstream, needed),
      reset_after_(options.reset == GruReset::after),
      z_keeps_(options.update == GruUpdate::z_keeps),
      result_(result),
      hidden_(this->gates_ / 3) {
  const std::size_t H = hidden_;
  if (reset_after_) {
    da_hn_ = Buffer<S>(layout.total * H);
  } else {
    d_reset_h_ = Buffer<S>(layout.batch * H);
  }
  const S* weight_hh = inputs[InputIndex<1>::weight_hh].data();
  weight_rz_ = Packed<S>::borrowed(weight_hh, 2 * H, H);
  weight_n_ = Packed<S>::borrowed(weight_hh + 2 * H * H, H, H);
}

template <class S>
void GruBackward<S>::run(const TimeChunk& chunk, const S* up_output) {
  const BatchLayout& layout = chunk.layout;
  const std::size_t H = hidden_, row = chunk.row;
  const S* h0 = this->inputs_[InputIndex<1>::h0].data();
  in_parallel<S>(layout, layout.total * 3 * H * H, H, true,
                 [&](const TimeLoop& loop, const UnitRange& units) {
                   gru_loops<S>().backward({.steps = loop,
                                            .units = units,
                                            .H = H,
                                            .reset_after = reset_after_,
                                            .z_keeps = z_keeps_,
                                            .weight_rz = weight_rz_.panels(),
                                            .weight_n = weight_n_.panels(),
                                            .gates = result_.gates.data() + row * 3 * H,
                                            .candidate = result_.candidate.data() + row * H,
                                            .output = result_.output.data() + row * H,
                                            .h0 = chunk.before(result_.output.data(), H, h0),
                                            .up_output = up_output != nullptr ? up_output + row * H : nullptr,
                                            .state_wanted = this->states_needed(chunk),
                                            .dh = this->gradients[InputIndex<1>::h0].raw(),
                                            .da = this->da_.data() + row * 3 * H,
                                            .da_hn = reset_after_ ? da_hn_.data() + row * H : nullptr,
                                            .d_reset_h = d_reset_h_.data()});
                 });
}

template <class S>
void GruBackward<S>::run_weights() {
  const std::size_t H = hidden_, gates = this->gates_, total = this->layout_.total;
  const S *da = this->da_.data(), *h = result_.output.data();
  this->run_weight_ih();
  this->run_bias();
  if (reset_after_ && this->needed_[InputIndex<1>::bias_hh]) {
    // Shared with that of bias_ih, from which its last third differs.
    Var<S>& bias = this->gradients[InputIndex<1>::bias_hh];
    bias = bias.detach();
    kernel::packing<S>().column_sums(total, H, da_hn_.data(), H, bias.raw() + 2 * H);
  }
  if (!this->needed_[InputIndex<1>::weight_hh]) return;
  const Tensor<S>& h0 = this->inputs_[InputIndex<1>::h0].value();
  Var<S>& weight = this->gradients[InputIndex<1>::weight_hh];
  weight = Var<S>::uninitialized(this->inputs_[InputIndex<1>::weight_hh].shape());
  recurrent_weight_gradient(this->layout_, da, 2 * H, gates, h, h0, weight.raw());
  S* candidate = weight.raw() + 2 * H * H;
  if (reset_after_) {
    recurrent_weight_gradient(this->layout_, da_hn_.data(), H, H, h, h0, candidate);
  } else {
    add_weight_gradient(total, da + 2 * H, H, gates, result_.candidate.data(), H, false, candidate);
  }
}

template class GruForward<float>;
template class GruForward<double>;
template class GruBackward<float>;
template class GruBackward<double>;

}  // namespace unroll::bptt
