// Passes over the instructions of a step and its gradient, before they are planned. Each leaves the results
// as they were. Internal.
#pragma once

#include <cstddef>
#include <functional>
#include <vector>

#include "framework/program/instruction.hpp"

namespace unroll::detail {

template <class S>
struct StepCode {
  std::vector<Instruction<S>> list;   // first the step, then its gradient
  std::size_t step_size;              // instructions of the step
  std::vector<int>*next, *gradients;  // the numbers of the results; below 0: none
};

// An instruction that another one of the same half equals gets its result: the sum over time of the gradient
// of two biases that are added, for example, is one.
template <class S>
void merge_equal(StepCode<S>& code);

// Leaves out what no result needs.
template <class S>
void drop_unused(StepCode<S>& code);

// A product whose only use is to be added to rows of its size adds them itself: x W + y is one instruction.
// are_alike(a, b): whether values a and b are rows of one size. run_together: whether they are made in one
// phase.
using AboutTwo = std::function<bool(int a, int b)>;
template <class S>
void add_into_products(StepCode<S>& code, const AboutTwo& are_alike, const AboutTwo& run_together);

}  // namespace unroll::detail
