// ProgramRun: a program over the steps of a batch, forward and backward.
#pragma once

#include <memory>
#include <vector>

#include "framework/program/compile.hpp"

namespace unroll::detail {

// The rows of a batch of sequences by step, as bptt::BatchLayout has them.
struct StepRows {
  std::size_t steps = 0, batch = 0, total = 0;
  bool reverse = false;
  const std::size_t* sizes = nullptr;    // (T); null: `batch` at every step
  const std::size_t* offsets = nullptr;  // (T)

  std::size_t time(std::size_t k) const noexcept { return reverse ? steps - 1 - k : k; }
  std::size_t rows(std::size_t t) const noexcept { return sizes == nullptr ? batch : sizes[t]; }
  std::size_t offset(std::size_t t) const noexcept { return offsets == nullptr ? t * batch : offsets[t]; }
};

template <class S>
class ProgramRun {
 public:
  // inputs: x, the initial states, the externals, in the order of program->gradients. x (N,I) or (T,B,I).
  ProgramRun(std::shared_ptr<const Program<S>> program, VarList<S> inputs);

  const VarList<S>& inputs() const noexcept { return inputs_; }
  // Runs all steps. Returns the wanted states (N,H_k) after every step, in the shape of x with its last size
  // replaced; keeps what gradients() reads if `keep`.
  VarList<S> run(const StepRows& rows, bool keep, const NeedsGrad& wanted);
  // The states after each sequence's last step, (B,H_k).
  VarList<S> final_states;
  // Returns the gradients of inputs() for those of the states after every step and of the final states; each
  // may be empty.
  VarList<S> gradients(const StepRows& rows, const VarList<S>& every, const VarList<S>& last,
                       const NeedsGrad& needs_grad) const;

 private:
  std::shared_ptr<const Program<S>> program_;
  VarList<S> inputs_;
  std::vector<Buffer<S>> kept_;   // by value: the rows of all steps
  std::vector<const S*> places_;  // where they begin
};

}  // namespace unroll::detail
