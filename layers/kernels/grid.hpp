// PassGrid: a call of a recurrent layer as a grid of passes, one per cell.
#pragma once

#include <cstddef>
#include <span>
#include <utility>

#include "layers/kernels/pass.hpp"
#include "layers/recurrent/schedule.hpp"

namespace unroll::bptt {

// Passes are in running order: a single one, both directions side by side, or a stack, each on the output of
// the previous one. On the tape they are one op, and the last one comes first, as with one op per pass, so
// that gradients of shared inputs are summed in the same order. Results have the same bits in any schedule.
template <class S>
struct PassGrid {
  struct Pass {
    Kernel<S> kernel;
    TimeChunk all;      // steps
    VarList<S> inputs;  // in a stack only the first has x before the grid runs
    PassResult<S> result;

    Pass(const Kernel<S>& k, const BatchLayout& layout, VarList<S> in)
        : kernel(k), all(layout), inputs(std::move(in)) {}
  };

  detail::Grid kind;
  bool all_states;
  std::size_t state_vars;  // per cell
  PooledVector<Pass> passes;

  bool is_fed(std::size_t p) const noexcept { return kind == detail::Grid::stacked && p > 0; }
  bool feeds(std::size_t p) const noexcept { return kind == detail::Grid::stacked && p + 1 < passes.size(); }

  // Returns whether the passes are worth two threads.
  bool runs_at_once() const;
  // keep: stores what gradients() needs.
  void run(const Var<S>& x, bool keep, bool at_once);

  // Returns the inputs of all passes; in a stack only the first x.
  VarList<S> inputs() const;
  // Returns the outputs of all passes; in a stack only the last sequence.
  VarList<S> outputs() const;
  // Returns the gradients of those inputs() that need one, from those of outputs().
  VarList<S> gradients(const VarList<S>& upstream, const NeedsGrad& needs_grad) const;

 private:
  // By pass: the gradients of its outputs, and which of its inputs need one.
  void run_back(std::span<const VarList<S>> upstream, std::span<const NeedsGrad> needs_grad,
                std::span<VarList<S>> gradients) const;
};

extern template struct PassGrid<float>;
extern template struct PassGrid<double>;

}  // namespace unroll::bptt
