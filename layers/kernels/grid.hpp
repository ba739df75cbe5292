// PassGrid: a call of a recurrent layer as a grid of passes, one for each cell that takes part.
#pragma once

#include <cstddef>
#include <span>
#include <utility>

#include "layers/kernels/pass.hpp"
#include "layers/recurrent/schedule.hpp"

namespace unroll::bptt {

// Passes are ordered as they run: a single one, both directions side by side, or a stack, each on the output
// of the one before. On the tape they are one op and the last one comes first, as it would with one op for
// each, so that gradients of what several passes have read are summed in the same order. The results are the
// same bits however the passes run.
template <class S>
struct PassGrid {
  struct Pass {
    Kernel<S> kernel;
    TimeChunk all;      // steps
    VarList<S> inputs;  // in a stack all but the first have no x until the grid has run
    PassResult<S> result;

    Pass(const Kernel<S>& k, const BatchLayout& layout, VarList<S> in)
        : kernel(k), all(layout), inputs(std::move(in)) {}
  };

  detail::Grid kind;
  bool all_states;
  std::size_t state_vars;  // of a cell
  PooledVector<Pass> passes;

  bool is_fed(std::size_t p) const noexcept { return kind == detail::Grid::stacked && p > 0; }
  bool feeds(std::size_t p) const noexcept { return kind == detail::Grid::stacked && p + 1 < passes.size(); }

  // Whether the passes are worth two threads.
  bool runs_at_once() const;
  // keep: for gradients().
  void run(const Var<S>& x, bool keep, bool at_once);

  // Those of all passes, of a stack the x of the first one only.
  VarList<S> inputs() const;
  // Those of all passes, of a stack the sequence of the last one only.
  VarList<S> outputs() const;
  // One for each of inputs(), where it is needed, from those of outputs().
  VarList<S> gradients(const VarList<S>& upstream, const NeedsGrad& needs_grad) const;

 private:
  // By pass: the gradients that arrive at its outputs, and for which of its inputs one is needed.
  void run_back(std::span<const VarList<S>> upstream, std::span<const NeedsGrad> needs_grad,
                std::span<VarList<S>> gradients) const;
};

extern template struct PassGrid<float>;
extern template struct PassGrid<double>;

}  // namespace unroll::bptt
