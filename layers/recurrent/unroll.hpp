// unroll_steps: runs a cell over a sequence, op by op. Internal to Recurrent and to the kernels.
#pragma once

#include "framework/anomaly.hpp"
#include "layers/recurrent/any_cell.hpp"
#include "layers/recurrent/batch_layout.hpp"
#include "layers/recurrent/step_regularizer.hpp"

namespace unroll::detail {

// Runs one layer in one direction op by op: the specification of every other path. x (T,B,I), or packed
// (N,I).
template <class S>
VarList<S> unroll_steps(const AnyCell<S>& cell, const StepRegularizer& regularizer, const Var<S>& x,
                        VarList<S> state, const bptt::BatchLayout& layout, bool all_states = false,
                        LayerScope* scope = nullptr);

// Returns the gradient on the current tape of each input that needs one; empty for the others. upstream: one
// per output, undefined for zeros.
template <class S>
VarList<S> layer_gradients(const VarList<S>& outputs, const VarList<S>& upstream, const VarList<S>& inputs,
                           const NeedsGrad& needs_grad, bool create_graph);

}  // namespace unroll::detail
