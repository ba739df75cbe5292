// Program: the instructions of a step and its gradient, and when each of them runs. Internal.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "framework/program/instruction.hpp"

namespace unroll::detail {

// What a value of a program is. Rows are one per sequence and step; a program is for any number of them.
struct ProgramValue {
  enum class Role : unsigned char {
    x,         // (R,I)
    state,     // (R,H_k), before the step
    upstream,  // (R,H_k), the gradient of the state after the step
    external,  // a parameter or constant, of a shape of its own
    rows,      // computed from rows
    sum,       // a sum over rows: part of an external value's gradient
  };
  Role role = Role::rows;
  std::size_t width = 0;   // of rows
  Shape shape;             // of an external value or sum
  bool over_time = false;  // rows of all steps are kept
};

// When an instruction runs: before or after the loop over time, for the rows of all steps, or in it.
template <class S>
struct Phases {
  std::vector<Instruction<S>> before, loop, after;
};

template <class S>
struct Program {
  // Values by number: x, then the states.
  std::vector<ProgramValue> values;
  std::size_t states = 0;
  std::vector<int> externals;        // numbers, in the order of use
  std::vector<int> next;             // the states after the step
  std::vector<int> upstream;         // their gradients
  std::vector<int> gradients;        // of x, the states, the externals; -1: zero
  std::vector<Instruction<S>> step;  // as traced, without its gradient
  Phases<S> forward, backward;
  std::vector<Instruction<S>> sums;     // over the rows of all steps: column sums, and products of two values
  std::vector<Instruction<S>> of_sums;  // what follows from these
};

template <class S>
class Trace;

inline constexpr std::size_t kTracedRows = 2;
// Fills in what follows from the trace of a step (its first instructions) and its gradient. Returns why there
// is no program, or "".
template <class S>
std::string plan(const Trace<S>& traced, std::size_t step_instructions, Program<S>& program);

}  // namespace unroll::detail
