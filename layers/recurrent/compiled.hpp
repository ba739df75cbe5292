// A cell's step as a program, run over a sequence; and the choice between kernel, program and ops. Internal
// to Recurrent.
#pragma once

#include <cstddef>

#include "framework/program/compile.hpp"
#include "layers/recurrent/any_cell.hpp"

namespace unroll {

class LayerScope;
struct RecurrentOptions;

namespace detail {

class StepRegularizer;
struct StepMode;

// Traces the step: in every call, so that nothing that it depends on can be out of date. input_size: of x
// with its masks.
template <class S>
CompiledStep<S> compile_step(const AnyCell<S>& cell, const StepRegularizer& regularizer,
                             std::size_t input_size);

// Does the same for a cell in evaluation, without a gradient.
template <class S>
CompiledStep<S> compile_forward_step(const AnyCell<S>& cell, const RecurrentOptions& options,
                                     std::size_t input_size);

// Runs a layer in one direction by the program of its step.
template <class S>
VarList<S> run_compiled(const AnyCell<S>& cell, const StepRegularizer& regularizer,
                        const CompiledStep<S>& step, const Var<S>& x, const VarList<S>& state,
                        const bptt::BatchLayout& layout, bool all_states);

// Runs a layer in one direction: by the cell's kernel, by the program of its step, or op by op.
template <class S>
VarList<S> run_steps(const AnyCell<S>& cell, const Var<S>& x, VarList<S> state,
                     const bptt::BatchLayout& steps, const StepMode& mode, LayerScope* scope = nullptr);

}  // namespace detail
}  // namespace unroll
