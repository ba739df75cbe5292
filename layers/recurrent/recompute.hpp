// Recomputation: keeps only some states of a long sequence. Internal to Recurrent.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "framework/random.hpp"
#include "layers/recurrent/any_cell.hpp"
#include "layers/recurrent/batch_layout.hpp"
#include "layers/recurrent/options.hpp"
#include "layers/recurrent/step_regularizer.hpp"

namespace unroll::detail {

// A layer in one direction as one op that keeps its inputs and the states between chunks of time:
//
//   forward    s_0 = initial;  (y_j, s_{j+1}) = run(x_j, s_j), nothing recorded       j = 0 .. n-1
//   backward   run(x_j, s_j) again, recorded, from s_j as it was, then                j = n-1 .. 0
//              dx_j, ds_j, dw_j = gradients of it for dy_j and ds_{j+1};  dw += dw_j
//
// x_j, y_j: the rows of chunk j. A cell's random numbers are drawn again from its generators' states, which
// are kept too, and so are numbers among its members. (Chen et al. 2016, with one level; Gruslys et al. 2016
// choose the best states for a given memory.) If the backward pass is itself recorded, the whole layer runs
// on that tape.
template <class S>
class RecomputedRun {
 public:
  RecomputedRun(const AnyCell<S>& cell, const Var<S>& x, const VarList<S>& state, bptt::BatchLayout steps,
                const StepMode& mode);
  RecomputedRun(const RecomputedRun&) = delete;
  RecomputedRun& operator=(const RecomputedRun&) = delete;

  // Returns x, the state's Vars, and the cell's parameters.
  const VarList<S>& inputs() const noexcept { return inputs_; }
  // What the first few steps say about a second run.
  struct Trial {
    std::size_t bytes_per_step = 1;  // that a plain run keeps, about
    std::string from_outside;        // what a step uses whose gradient would be lost; empty: nothing
    bool repeatable = true;          // they gave the same states twice
  };
  Trial try_steps(std::size_t few, std::size_t more) const;
  // Returns the layer's outputs, not yet on a tape.
  VarList<S> forward(std::size_t every);
  // Gives the cell's generators and numbers the values that they have after the forward pass.
  void advance(const AnyCell<S>& cell) const { restore(*end_, cell); }
  // Returns the gradients of inputs().
  VarList<S> backward(const VarList<S>& upstream, const NeedsGrad& needs_grad) const {
    return Tape::is_recording() ? record(upstream, needs_grad) : differentiate(upstream, needs_grad);
  }

 private:
  // The state of a run before a step.
  struct Checkpoint {
    VarList<S> state;
    std::vector<Rng> generators;
    std::vector<long double> numbers;  // members that a step may change
  };

  Checkpoint checkpoint(VarList<S> state) const;
  void restore(const Checkpoint& at, const AnyCell<S>& cell) const;
  // Throws TapeError unless the second run of chunk j begins as the first did.
  void check_again(std::size_t j, const Var<S>& output) const;
  bool is_sequence(std::size_t output) const noexcept { return output == 0 || output > cell_->state_count(); }

  VarList<S> record(const VarList<S>& upstream, const NeedsGrad& needs_grad) const;
  VarList<S> differentiate(const VarList<S>& upstream, const NeedsGrad& needs_grad) const;

  std::shared_ptr<const AnyCell<S>> cell_;
  VarList<S> inputs_;
  bptt::BatchLayout steps_;
  StepMode mode_;
  std::optional<Checkpoint> end_;
  std::vector<bptt::TimeChunk> chunks_;
  std::vector<Checkpoint> checkpoints_;  // before each chunk
  std::vector<Tensor<S>> first_;         // each chunk's output after its first step
};

// Returns whether checkpoints that nobody asked for may pay. Beyond the caches a cell of elementwise ops
// waits for memory, and a second run of a chunk in the cache is faster; products make it slower.
template <class S>
bool has_few_weights(const AnyCell<S>& cell);

// Runs the layer with the checkpoints that the options require or that pay; otherwise like run_steps. runs:
// the calls of this kind that the layer's call makes.
template <class S>
VarList<S> run_recomputed(const AnyCell<S>& cell, const Var<S>& x, const VarList<S>& state,
                          const bptt::BatchLayout& steps, const StepMode& mode,
                          const RecurrentOptions& options, std::size_t runs);

}  // namespace unroll::detail
