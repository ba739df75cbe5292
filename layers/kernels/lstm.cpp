#include "layers/kernels/lstm.hpp"

#include "layers/kernels/lstm_loop.hpp"

namespace unroll::bptt {

using kernel::Packed;

namespace {

// Numbers of tanh(c) that are kept for the way back. More would not stay in a cache, and computing them again
// costs no more than reading them.
constexpr std::size_t kLargestKeptTanh = std::size_t{1} << 18;

// Numbers of W_ih whose product with a single row is hidden behind the wait for the state before.
constexpr std::size_t kLargestInputInside = 1024;

}  // namespace

template <class S>
LstmForward<S>::LstmForward(const LstmOptions&, const Shape& x, const VarList<S>& inputs,
                            const BatchLayout& layout, bool keep)
    : in_(input_width<2>(inputs)),
      out_(inputs[InputIndex<2>::weight_hh].shape(1)),
      hidden_(gate_rows<2>(inputs) / 4) {
  using In = InputIndex<2>;
  const std::size_t gates = 4 * hidden_;
  const Var<S>&weight_ih = inputs[In::weight_ih], &weight_hh = inputs[In::weight_hh],
        &weight_hr = inputs[In::weight_hr];
  const bool projects = weight_hr.defined();
  result.gates = Var<S>::uninitialized({layout.total, gates});
  if (keep) {
    result.cell = Var<S>::uninitialized(with_width(x, hidden_));
    if (layout.total * hidden_ <= kLargestKeptTanh)
      result.tanh_cell = Var<S>::uninitialized({layout.total, hidden_});
  }
  result.output = Var<S>::uninitialized(with_width(x, out_));
  if (projects) result.unprojected = Var<S>::uninitialized({layout.total, hidden_});
  result.h_n = Var<S>::copy_of(inputs[In::h0].value());
  result.c_n = Var<S>::copy_of(inputs[In::c0].value());

  alone_ = layout.batch == 1 && !projects && hidden_ % kernel::packing<S>().width == 0;
  // All input products at once, so that inside the loop only the recurrent ones remain; but small ones there,
  // where they cost nothing while the loop waits for itself.
  input_inside_ = alone_ && gates * in_ <= kLargestInputInside;
  if (input_inside_) {
    input_columns_ = Packed<S>::by_register(weight_ih.data(), gates, in_);
  } else {
    input_ = {layout.total, weight_ih.value()};
  }
  bias_ = combined_bias(inputs[In::bias_ih], inputs[In::bias_hh], gates);
  recurrent_ = alone_ ? Packed<S>::by_register(weight_hh.data(), gates, out_)
                      : Packed<S>::transposed(weight_hh.data(), gates, out_);
  if (projects) projection_ = Packed<S>::transposed(weight_hr.data(), out_, hidden_);
}

template <class S>
void LstmForward<S>::run(const TimeChunk& chunk, const S* x) {
  const BatchLayout& layout = chunk.layout;
  const std::size_t gates = 4 * hidden_, row = chunk.row;
  S* own_gates = result.gates.raw() + row * gates;
  const Var<S>& hidden = projection_.empty() ? result.output : result.unprojected;
  if (!input_inside_) input_.run(layout.total, x + row * in_, own_gates);
  in_parallel<S>(layout, layout.total * gates * out_, hidden_, projection_.empty(),
                 [&](const TimeLoop& loop, const UnitRange& units) {
                   lstm_loops<S>().forward({.steps = loop,
                                            .units = units,
                                            .H = hidden_,
                                            .P = out_,
                                            .recurrent = recurrent_.panels(),
                                            .projection = projection_.panels(),
                                            .alone = alone_,
                                            .input = input_columns_.panels(),
                                            .x = x + row * in_,
                                            .I = in_,
                                            .bias = bias_.data(),
                                            .gates = own_gates,
                                            .cell = rows_or_null(result.cell, row, hidden_),
                                            .tanh_cell = rows_or_null(result.tanh_cell, row, hidden_),
                                            .hidden = hidden.raw() + row * hidden_,
                                            .output = result.output.raw() + row * out_,
                                            .h = result.h_n.raw(),
                                            .c = result.c_n.raw()});
                 });
}

template <class S>
LstmBackward<S>::LstmBackward(const LstmOptions&, const VarList<S>& inputs, const BatchLayout& layout,
                              const LstmResult<S>& result, const VarList<S>& upstream, const Needed& needed)
    : BackwardPass<S, 2>(inputs, layout, upstream, needed),
      result_(result),
      up_cell_(upstream.size() > 3 ? data_or_null(upstream[3]) : nullptr),
      out_(inputs[InputIndex<2>::weight_hh].shape(1)),
      hidden_(this->gates_ / 4) {
  recurrent_ = Packed<S>::borrowed(inputs[InputIndex<2>::weight_hh].data(), this->gates_, out_);
  if (!inputs[InputIndex<2>::weight_hr].defined()) return;
  dh_steps_ = Buffer<S>(layout.total * out_);
  d_hidden_ = Buffer<S>(layout.batch * hidden_);
  projection_ = Packed<S>::borrowed(inputs[InputIndex<2>::weight_hr].data(), out_, hidden_);
}

template <class S>
void LstmBackward<S>::run(const TimeChunk& chunk, const S* up_output) {
  const BatchLayout& layout = chunk.layout;
  const std::size_t gates = this->gates_, row = chunk.row;
  const S* c0 = this->inputs_[InputIndex<2>::c0].data();
  in_parallel<S>(
      layout, layout.total * gates * out_, hidden_, projection_.empty(),
      [&](const TimeLoop& loop, const UnitRange& units) {
        lstm_loops<S>().backward({.steps = loop,
                                  .units = units,
                                  .H = hidden_,
                                  .P = out_,
                                  .recurrent = recurrent_.panels(),
                                  .projection = projection_.panels(),
                                  .gates = result_.gates.data() + row * gates,
                                  .cell = result_.cell.data() + row * hidden_,
                                  .tanh_cell = rows_or_null(result_.tanh_cell, row, hidden_),
                                  .c0 = chunk.before(result_.cell.data(), hidden_, c0),
                                  .up_output = up_output != nullptr ? up_output + row * out_ : nullptr,
                                  .up_cell = up_cell_ != nullptr ? up_cell_ + row * hidden_ : nullptr,
                                  .state_wanted = this->states_needed(chunk),
                                  .dh = this->gradients[InputIndex<2>::h0].raw(),
                                  .dc = this->gradients[InputIndex<2>::c0].raw(),
                                  .dh_steps = projection_.empty() ? nullptr : dh_steps_.data() + row * out_,
                                  .d_hidden = d_hidden_.data(),
                                  .da = this->da_.data() + row * gates});
      });
}

template <class S>
void LstmBackward<S>::run_weights() {
  constexpr std::size_t weight_hr = InputIndex<2>::weight_hr;
  this->run_weight_ih();
  this->run_weight_hh(result_.output.data());
  if (!projection_.empty() && this->needed_[weight_hr])
    this->gradients[weight_hr] =
        weight_gradient(this->layout_.total, dh_steps_.data(), out_, result_.unprojected.data(), hidden_);
}

template class LstmForward<float>;
template class LstmForward<double>;
template class LstmBackward<float>;
template class LstmBackward<double>;

}  // namespace unroll::bptt
