// StepRegularizer: applies recurrent dropout and zoneout to a cell's step.
#pragma once

#include <cstddef>

#include "framework/random.hpp"
#include "layers/recurrent/any_cell.hpp"
#include "layers/recurrent/batch_layout.hpp"

namespace unroll {

struct RecurrentOptions;

namespace detail {

// before where keep is 1, after where it is 0: (B,H) each (Krueger et al. 2017).
template <class S>
Var<S> mix(const Var<S>& keep, const Var<S>& before, const Var<S>& after);

// Its random numbers are drawn before the first step and become columns of x, so that a step is the same
// function in every call:
//   x (..,I) | the mask of the h that is read, (..,H) | for each Var of the state, 1 where it keeps its value
class StepRegularizer {
 public:
  // None.
  StepRegularizer() = default;
  StepRegularizer(const RecurrentOptions& options, bool training);

  // Returns how many columns of masks follow those of x.
  template <class S>
  std::size_t columns(const AnyCell<S>& cell) const;
  // Returns x with the masks of all steps.
  template <class S>
  Var<S> with_masks(const AnyCell<S>& cell, const Var<S>& x, const bptt::BatchLayout& steps, Rng& rng) const;
  // Runs the cell's step: x with its masks, and the state, of the same rows.
  template <class S>
  VarList<S> step(const AnyCell<S>& cell, const Var<S>& x, const VarList<S>& state) const;

 private:
  // The probability that the Var at this place of the state keeps its value.
  template <class S>
  double probability(const AnyCell<S>& cell, std::size_t var) const {
    return var == cell.hidden ? zoneout_hidden_ : zoneout_cell_;
  }

  bool drops_ = false, draws_ = false;
  double dropout_ = 0.0, zoneout_hidden_ = 0.0, zoneout_cell_ = 0.0;
};

// How a layer runs in one direction, besides its cell.
struct StepMode {
  bool fused = false;
  bool compiled = false;  // if the step can be
  bool all_states = false;
  StepRegularizer regularizer = {};  // whose masks x has already
};

}  // namespace detail
}  // namespace unroll
