// compile: makes a program of one step of a recurrent cell, and of its gradient, to be run over time.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "framework/multi_output.hpp"

namespace unroll::detail {

template <class S>
struct Program;

// A step: from x (R,I) and the state's Vars (R,H_k), to the state's Vars after it, in the same order.
template <class S>
using StepFunction = std::function<VarList<S>(const VarList<S>& rows)>;

// A step's program and the parameters and constants that it reads, or why there is none.
template <class S>
struct CompiledStep {
  std::shared_ptr<const Program<S>> program;
  VarList<S> externals;
  NeedsGrad derived;  // 1 for each external value that the step computes from parameters alone
  std::string failure;
};

// Runs step once on example rows of these widths (of x and the states) and writes down its ops. Returns the
// program from this thread's cache if the same ops have been compiled before: nothing that the step depends
// on can be out of date. step runs twice; fresh() makes the same with parameters of its own, which the
// gradient is traced with.
template <class S>
CompiledStep<S> compile(const StepFunction<S>& step, const std::function<StepFunction<S>()>& fresh,
                        const std::vector<std::size_t>& widths);

// Does the same for a step that will not be differentiated, without the cache.
template <class S>
CompiledStep<S> compile_forward(const StepFunction<S>& step, const std::vector<std::size_t>& widths);

// Returns the parameters and constants that the same step reads now, in the same order.
template <class S>
VarList<S> externals_of(const StepFunction<S>& step, const std::vector<std::size_t>& widths);

// Returns a program line by line.
template <class S>
std::string to_string(const Program<S>& program);

}  // namespace unroll::detail
