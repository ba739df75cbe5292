#include "layers/kernels/pass.hpp"

#include <algorithm>

namespace unroll::bptt {

using kernel::Packed;

namespace {

// The most elements of tanh(c) that are kept for the backward pass. More do not stay in a cache, and
// recomputing them costs no more than reading them.
constexpr std::size_t kLargestKeptTanh = std::size_t{1} << 18;

// The most elements of W_ih whose product with a single row is hidden behind the wait for the previous state.
constexpr std::size_t kLargestInputInside = 1024;

// Returns the elements of an optional Var from a row on, or null.
template <class S>
S* rows_or_null(const Var<S>& var, std::size_t row, std::size_t width) {
  return var.defined() ? var.raw() + row * width : nullptr;
}

}  // namespace

template <class S>
Forward<S>::Forward(const Kernel<S>& kernel, const Shape& x, const VarList<S>& inputs,
                    const BatchLayout& layout, bool keep, PassResult<S>& result)
    : kernel_(kernel),
      sizes_(kernel.unit->layout, inputs),
      result_(result),
      keep_(keep),
      single_row_(layout.batch == 1 && sizes_.template fit_single_row<S>()),
      // All input products at once, so that only the recurrent ones remain in the loop. Small ones stay in
      // the loop, where they are free while it waits for the previous step.
      input_inside_(single_row_ && sizes_.gates * sizes_.in <= kLargestInputInside),
      weights_(kernel.unit->layout, sizes_, inputs, single_row_) {
  const UnitLayout& unit = kernel.unit->layout;
  const auto& [states, in, gates, H, P, direct, projects] = sizes_;

  result.output = Var<S>::uninitialized(with_width(x, P));
  // A kernel without kept gates computes its only gate in the output's memory.
  result.gates = unit.keeps_gate ? Var<S>::uninitialized({layout.total, gates}) : result.output;
  if (direct < gates) result.candidate = Var<S>::uninitialized({layout.total, H});
  if (projects) result.unprojected = Var<S>::uninitialized({layout.total, H});
  result.h_n = Var<S>::copy_of(inputs[PassSizes::h0].value());
  if (unit.has_cell) {
    result.c_n = Var<S>::copy_of(inputs[PassSizes::c0].value());
    if (keep) {
      result.cell = Var<S>::uninitialized(with_width(x, H));
      if (layout.total * H <= kLargestKeptTanh) result.tanh_cell = Var<S>::uninitialized({layout.total, H});
    }
  }

  const Tensor<S>& weight_ih = inputs[sizes_.weight_ih()].value();
  if (input_inside_) {
    input_columns_ = Packed<S>::by_register(weight_ih.data(), gates, in);
  } else {
    input_ = {layout.total, weight_ih};
  }
}

template <class S>
void Forward<S>::run(const TimeChunk& chunk, const S* x) {
  const BatchLayout& layout = chunk.layout;
  const std::size_t row = chunk.row, H = sizes_.hidden, P = sizes_.out;
  S* gates = result_.gates.raw() + row * sizes_.gates;
  const Var<S>& hidden = sizes_.projects ? result_.unprojected : result_.output;
  if (!input_inside_) input_.run(layout.total, x + row * sizes_.in, gates);
  in_parallel<S>(layout, layout.total * sizes_.gates * P, H, !sizes_.projects,
                 [&](const TimeLoop& loop, const UnitRange& units) {
                   kernel_.unit->forward({.steps = loop,
                                          .units = units,
                                          .option = kernel_.option,
                                          .keep = keep_,
                                          .single_row = single_row_,
                                          .I = sizes_.in,
                                          .H = H,
                                          .P = P,
                                          .recurrent = weights_.recurrent.panels(),
                                          .candidate_weight = weights_.candidate_weight.panels(),
                                          .projection = weights_.projection.panels(),
                                          .input = input_columns_.panels(),
                                          .x = x + row * sizes_.in,
                                          .bias = weights_.bias.data(),
                                          .candidate_bias = weights_.candidate_bias.data(),
                                          .gates = gates,
                                          .candidate = rows_or_null(result_.candidate, row, H),
                                          .cell = rows_or_null(result_.cell, row, H),
                                          .tanh_cell = rows_or_null(result_.tanh_cell, row, H),
                                          .hidden = hidden.raw() + row * H,
                                          .output = result_.output.raw() + row * P,
                                          .h = result_.h_n.raw(),
                                          .c = rows_or_null(result_.c_n, 0, H)});
                 });
}

template <class S>
Backward<S>::Backward(const Kernel<S>& kernel, const VarList<S>& inputs, const BatchLayout& layout,
                      const PassResult<S>& result, const VarList<S>& upstream, const NeedsGrad& needs_grad)
    : gradients(inputs.size()),
      kernel_(kernel),
      sizes_(kernel.unit->layout, inputs),
      inputs_(inputs),
      layout_(layout),
      result_(result),
      needs_grad_(needs_grad),
      up_cell_(upstream.size() > 3 && upstream[3].defined() ? upstream[3].raw() : nullptr),
      da_(layout.total * sizes_.gates) {
  const std::size_t H = sizes_.hidden, P = sizes_.out, direct = sizes_.direct;
  if (needs_grad[PassSizes::x]) gradients[PassSizes::x] = Var<S>::uninitialized(inputs[PassSizes::x].shape());
  // Carried back through time: the gradients of the final states, or zeros.
  for (std::size_t state = 1; state <= sizes_.states; ++state)
    gradients[state] = state_gradient(upstream[state], inputs[state].value());
  const S* weight_hh = inputs[sizes_.weight_hh()].data();
  recurrent_ = Packed<S>::borrowed(weight_hh, direct, P);
  if (has_own_candidate()) {
    candidate_weight_ = Packed<S>::borrowed(weight_hh + direct * P, H, P);
    const bool apart = kernel.unit->layout.candidate == Candidate::apart;
    d_candidate_ = Buffer<S>((apart ? layout.total : layout.batch) * H);
  }
  if (sizes_.projects) {
    dh_steps_ = Buffer<S>(layout.total * P);
    d_hidden_ = Buffer<S>(layout.batch * H);
    projection_ = Packed<S>::borrowed(inputs[sizes_.weight_hr()].data(), P, H);
  }
}

template <class S>
bool Backward<S>::states_needed(const TimeChunk& chunk) const {
  bool needed = !chunk.begins;
  for (std::size_t state = 1; state <= sizes_.states; ++state) needed |= needs_grad_[state] != 0;
  return needed;
}

template <class S>
void Backward<S>::run(const TimeChunk& chunk, const S* up_output) {
  const BatchLayout& layout = chunk.layout;
  const std::size_t row = chunk.row, G = sizes_.gates, H = sizes_.hidden, P = sizes_.out;
  const bool has_cell = kernel_.unit->layout.has_cell,
             apart = kernel_.unit->layout.candidate == Candidate::apart;
  const S* h0 = chunk.before(result_.output.data(), P, inputs_[PassSizes::h0].data());
  const S* c0 = has_cell ? chunk.before(result_.cell.data(), H, inputs_[PassSizes::c0].data()) : nullptr;
  in_parallel<S>(layout, layout.total * G * P, H, !sizes_.projects,
                 [&](const TimeLoop& loop, const UnitRange& units) {
                   kernel_.unit->backward({.steps = loop,
                                           .units = units,
                                           .option = kernel_.option,
                                           .needs_state = states_needed(chunk),
                                           .H = H,
                                           .P = P,
                                           .recurrent = recurrent_.panels(),
                                           .candidate_weight = candidate_weight_.panels(),
                                           .projection = projection_.panels(),
                                           .gates = result_.gates.data() + row * G,
                                           .candidate = rows_or_null(result_.candidate, row, H),
                                           .cell = rows_or_null(result_.cell, row, H),
                                           .tanh_cell = rows_or_null(result_.tanh_cell, row, H),
                                           .output = result_.output.data() + row * P,
                                           .h0 = h0,
                                           .c0 = c0,
                                           .up_output = up_output != nullptr ? up_output + row * P : nullptr,
                                           .up_cell = up_cell_ != nullptr ? up_cell_ + row * H : nullptr,
                                           .dh = gradients[PassSizes::h0].raw(),
                                           .dc = has_cell ? gradients[PassSizes::c0].raw() : nullptr,
                                           .dh_steps = sizes_.projects ? dh_steps_.data() + row * P : nullptr,
                                           .d_hidden = d_hidden_.data(),
                                           .da = da_.data() + row * G,
                                           .d_candidate = d_candidate_.data() + (apart ? row * H : 0)});
                 });
}

template <class S>
void Backward<S>::run_input(const TimeChunk& chunk) {
  if (!needs_grad_[PassSizes::x]) return;
  if (input_.empty()) input_ = {layout_.total, inputs_[sizes_.weight_ih()].value()};
  input_.run(chunk.layout.total, da_.data() + chunk.row * sizes_.gates,
             gradients[PassSizes::x].raw() + chunk.row * sizes_.in);
}

template <class S>
void Backward<S>::run_weights() {
  const std::size_t rows = layout_.total, weight_hr = sizes_.weight_hr();
  if (needs_grad_[sizes_.weight_ih()])
    gradients[sizes_.weight_ih()] =
        weight_gradient(rows, da_.data(), sizes_.gates, inputs_[PassSizes::x].data(), sizes_.in);
  if (needs_grad_[sizes_.weight_hh()]) run_weight_hh();
  run_biases();
  if (sizes_.projects && needs_grad_[weight_hr])
    gradients[weight_hr] =
        weight_gradient(rows, dh_steps_.data(), sizes_.out, result_.unprojected.data(), sizes_.hidden);
}

template <class S>
void Backward<S>::run_weight_hh() {
  const auto& [states, in, G, H, P, direct, projects] = sizes_;
  const Tensor<S>& h0 = inputs_[PassSizes::h0].value();
  const S* h = result_.output.data();
  Var<S>& weight = gradients[sizes_.weight_hh()];
  weight = Var<S>::uninitialized(inputs_[sizes_.weight_hh()].shape());
  recurrent_weight_gradient(layout_, da_.data(), direct, G, h, h0, weight.raw());
  if (!has_own_candidate()) return;
  S* candidate = weight.raw() + direct * P;
  if (kernel_.unit->layout.candidate == Candidate::apart) {
    recurrent_weight_gradient(layout_, d_candidate_.data(), H, H, h, h0, candidate);
  } else {
    add_weight_gradient(layout_.total, da_.data() + direct, H, G, result_.candidate.data(), H, false,
                        candidate);
  }
}

template <class S>
void Backward<S>::run_biases() {
  Var<S>&ih = gradients[sizes_.bias_ih()], &hh = gradients[sizes_.bias_hh()];
  const bool ih_needed = needs_grad_[sizes_.bias_ih()] != 0, hh_needed = needs_grad_[sizes_.bias_hh()] != 0;
  if (!ih_needed && !hh_needed) return;
  const Var<S> bias = bias_gradient(layout_.total, da_.data(), sizes_.gates);
  if (ih_needed) ih = bias;
  if (!hh_needed) return;
  hh = bias;
  if (kernel_.unit->layout.candidate == Candidate::apart) {  // differs from that of bias_ih in its last part
    hh = hh.detach();
    kernel::packing<S>().column_sums(layout_.total, sizes_.hidden, d_candidate_.data(), sizes_.hidden,
                                     hh.raw() + sizes_.direct);
  }
}

template class Forward<float>;
template class Forward<double>;
template class Backward<float>;
template class Backward<double>;

}  // namespace unroll::bptt
