#include "layers/kernels/rnn.hpp"

#include "layers/kernels/rnn_loop.hpp"

namespace unroll::bptt {

using kernel::Packed;

template <class S>
RnnForward<S>::RnnForward(const RnnOptions& options, const Shape& x, const VarList<S>& inputs,
                          const BatchLayout& layout, bool /*keep*/)
    : relu_(options.activation == Activation::relu()),
      in_(input_width<1>(inputs)),
      hidden_(gate_rows<1>(inputs)) {
  using In = InputIndex<1>;
  result.output = Var<S>::uninitialized(with_width(x, hidden_));
  result.h_n = Var<S>::copy_of(inputs[In::h0].value());
  input_ = {layout.total, inputs[In::weight_ih].value()};
  bias_ = combined_bias(inputs[In::bias_ih], inputs[In::bias_hh], hidden_);
  recurrent_ = Packed<S>::transposed(inputs[In::weight_hh].data(), hidden_, hidden_);
}

template <class S>
void RnnForward<S>::run(const TimeChunk& chunk, const S* x) {
  const BatchLayout& layout = chunk.layout;
  S* output = result.output.raw() + chunk.row * hidden_;
  input_.run(layout.total, x + chunk.row * in_, output);
  in_parallel<S>(layout, layout.total * hidden_ * hidden_, hidden_, true,
                 [&](const TimeLoop& loop, const UnitRange& units) {
                   rnn_loops<S>().forward({.steps = loop,
                                           .units = units,
                                           .H = hidden_,
                                           .relu = relu_,
                                           .recurrent = recurrent_.panels(),
                                           .bias = bias_.data(),
                                           .output = output,
                                           .h = result.h_n.raw()});
                 });
}

template <class S>
RnnBackward<S>::RnnBackward(const RnnOptions& options, const VarList<S>& inputs, const BatchLayout& layout,
                            const RnnResult<S>& result, const VarList<S>& upstream, const Needed& needed)
    : BackwardPass<S, 1>(inputs, layout, upstream, needed),
      relu_(options.activation == Activation::relu()),
      result_(result) {
  recurrent_ = Packed<S>::borrowed(inputs[InputIndex<1>::weight_hh].data(), this->gates_, this->gates_);
}

template <class S>
void RnnBackward<S>::run(const TimeChunk& chunk, const S* up_output) {
  const BatchLayout& layout = chunk.layout;
  const std::size_t H = this->gates_, row = chunk.row;
  in_parallel<S>(layout, layout.total * H * H, H, true, [&](const TimeLoop& loop, const UnitRange& units) {
    rnn_loops<S>().backward({.steps = loop,
                             .units = units,
                             .H = H,
                             .relu = relu_,
                             .recurrent = recurrent_.panels(),
                             .output = result_.output.data() + row * H,
                             .up_output = up_output != nullptr ? up_output + row * H : nullptr,
                             .state_wanted = this->states_needed(chunk),
                             .dh = this->gradients[InputIndex<1>::h0].raw(),
                             .da = this->da_.data() + row * H});
  });
}

template <class S>
void RnnBackward<S>::run_weights() {
  this->run_weight_ih();
  this->run_weight_hh(result_.output.data());
}

template class RnnForward<float>;
template class RnnForward<double>;
template class RnnBackward<float>;
template class RnnBackward<double>;

}  // namespace unroll::bptt
