// StepRegularizer: applies recurrent dropout and zoneout to a cell's step.
#pragma once

#include <utility>

#include "framework/ops.hpp"
#include "framework/random.hpp"
#include "layers/recurrent/cell.hpp"
#include "layers/recurrent/options.hpp"

namespace unroll {

// While training, every element keeps its old value with probability p; in evaluation, p before + (1-p) after
// (Krueger et al. 2017). before and after (B,H).
template <class S>
Var<S> zoneout(const Var<S>& before, const Var<S>& after, double p, bool training, Rng& rng);

namespace detail {

// The regularizer of one sequence, in one layer and direction.
template <class S>
class StepRegularizer {
 public:
  // hidden: the shape of the whole batch's initial h, (B,H).
  StepRegularizer(const RecurrentOptions& options, bool training, const Shape& hidden, Rng& rng)
      : zoneout_hidden_(options.zoneout_hidden),
        zoneout_cell_(options.zoneout_cell),
        training_(training),
        rng_(rng) {
    if (training && options.recurrent_dropout > 0.0)
      mask_ = dropout(Var<S>(ones<S>(hidden)), options.recurrent_dropout, rng);
  }
  // Takes the mask of `drawn`, and another generator for what each step draws.
  StepRegularizer(const StepRegularizer& drawn, Rng& rng)
      : zoneout_hidden_(drawn.zoneout_hidden_),
        zoneout_cell_(drawn.zoneout_cell_),
        training_(drawn.training_),
        rng_(rng),
        mask_(drawn.mask_) {}

  // Runs the cell's step on the first rows of the batch: all rows of x and state.
  template <class Cell>
  state_t<Cell> step(const Cell& cell, const Var<S>& x, const state_t<Cell>& state) const {
    state_t<Cell> next = mask_.defined() ? masked_step(cell, x, state) : cell.step(x, state);
    if (zoneout_hidden_ == 0.0 && zoneout_cell_ == 0.0) return next;
    const Var<S>* hidden = &hidden_of<S>(state);
    return map_states(state, next, [&](const Var<S>& before, const Var<S>& after) {
      const double p = &before == hidden ? zoneout_hidden_ : zoneout_cell_;
      return zoneout(before, after, p, training_, rng_);
    });
  }

 private:
  template <class Cell>
  state_t<Cell> masked_step(const Cell& cell, const Var<S>& x, const state_t<Cell>& state) const {
    const Var<S>& h = hidden_of<S>(state);
    const Var<S> read = h * slice(mask_, 0, {0, static_cast<Index>(h.shape(0))});
    if constexpr (requires { cell.step(x, state, read); }) {
      return cell.step(x, state, read);
    } else {
      // Right for every cell that uses h only in its recurrent products.
      state_t<Cell> masked = state;
      for_each_in_state(masked, [&](auto& var) {
        if (&var == &hidden_of<S>(std::as_const(masked))) var = read;
      });
      return cell.step(x, masked);
    }
  }

  double zoneout_hidden_, zoneout_cell_;
  bool training_;
  Rng& rng_;
  Var<S> mask_;  // (B,H); empty: none
};

}  // namespace detail
}  // namespace unroll
