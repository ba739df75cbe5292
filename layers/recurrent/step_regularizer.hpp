// StepRegularizer: applies recurrent dropout and zoneout to a cell's step.
#pragma once

#include <algorithm>
#include <utility>
#include <vector>

#include "framework/ops.hpp"
#include "framework/random.hpp"
#include "layers/recurrent/batch_layout.hpp"
#include "layers/recurrent/cell.hpp"

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
  template <class State>
  std::size_t columns(const State& state) const {
    std::size_t count = drops_ ? hidden_of(state).shape().back() : 0;
    for_each_in_state(state, [&](const auto& var) {
      if (draws_ && probability(state, var) > 0.0) count += var.shape().back();
    });
    return count;
  }
  // Returns x with the masks of all steps; state: the whole batch's initial one.
  template <class S, class State>
  Var<S> with_masks(const Var<S>& x, const State& state, const bptt::BatchLayout& steps, Rng& rng) const;
  // Runs the cell's step: x with its masks, and the state, of the same rows.
  template <class Cell, class S = scalar_t<Cell>>
  state_t<Cell> step(const Cell& cell, const Var<S>& x, const state_t<Cell>& state) const;

 private:
  template <class State>
  static const auto& hidden_of(const State& state) {
    return unroll::hidden_of<scalar_t<State>>(state);
  }
  template <class State, class Var>
  double probability(const State& state, const Var& var) const {
    return &var == &hidden_of(state) ? zoneout_hidden_ : zoneout_cell_;
  }
  template <class Cell, class S = scalar_t<Cell>>
  static state_t<Cell> masked_step(const Cell& cell, const Var<S>& x, const state_t<Cell>& state,
                                   const Var<S>& mask);

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

template <class S, class State>
Var<S> StepRegularizer::with_masks(const Var<S>& x, const State& state, const bptt::BatchLayout& steps,
                                   Rng& rng) const {
  const std::size_t width = columns(state);
  if (width == 0) return x;
  Shape shape = x.shape();
  shape.back() = width;
  Tensor<S> masks(shape);
  std::size_t column = 0;
  const auto row = [&](std::size_t t, std::size_t b) {
    return masks.data() + (steps.offset(t) + b) * width + column;
  };
  if (drops_) {  // once for a sequence
    const Var<S> mask = dropout(Var<S>(ones<S>(hidden_of(state).shape())), dropout_, rng);
    const std::size_t size = mask.shape(1);
    for (std::size_t t = 0; t < steps.count(); ++t) {
      for (std::size_t b = 0; b < steps.batch_size(t); ++b)
        std::copy_n(mask.data() + b * size, size, row(t, b));
    }
    column = size;
  }
  const std::size_t first = column;
  for (std::size_t k = 0; draws_ && k < steps.count(); ++k, column = first) {
    const std::size_t t = steps.time(k);
    for_each_in_state(state, [&](const Var<S>& var) {
      const double p = probability(state, var);
      if (p == 0.0) return;
      const std::size_t size = var.shape().back();
      for (std::size_t b = 0; b < steps.batch_size(t); ++b) {
        S* keep = row(t, b);
        for (std::size_t j = 0; j < size; ++j) keep[j] = rng.uniform() < p ? S(1) : S(0);
      }
      column += size;
    });
  }
  return concat({x, Var<S>(std::move(masks))}, -1);
}

template <class Cell, class S>
state_t<Cell> StepRegularizer::step(const Cell& cell, const Var<S>& x, const state_t<Cell>& state) const {
  const std::size_t width = columns(state);
  auto column = static_cast<Index>(x.shape().back() - width);
  const auto take = [&](std::size_t count) {
    const Index first = std::exchange(column, column + static_cast<Index>(count));
    return slice(x, -1, {first, column});
  };
  const Var<S> own = width == 0 ? x : slice(x, -1, {0, column});
  const state_t<Cell> next =
      drops_ ? masked_step(cell, own, state, take(hidden_of(state).shape().back())) : cell.step(own, state);
  if (zoneout_hidden_ == 0.0 && zoneout_cell_ == 0.0) return next;
  std::vector<double> kept;
  for_each_in_state(state, [&](const Var<S>& var) { kept.push_back(probability(state, var)); });
  auto p = kept.begin();
  return map_states(state, next, [&](const Var<S>& before, const Var<S>& after) {
    const double keep = *p++;
    if (keep == 0.0) return after;
    return draws_ ? mix(take(before.shape().back()), before, after) : keep * before + (1.0 - keep) * after;
  });
}

template <class Cell, class S>
state_t<Cell> StepRegularizer::masked_step(const Cell& cell, const Var<S>& x, const state_t<Cell>& state,
                                           const Var<S>& mask) {
  const Var<S> read = hidden_of(state) * mask;
  if constexpr (requires { cell.step(x, state, read); }) {
    return cell.step(x, state, read);
  } else {
    // Right for every cell that uses h only in its recurrent products.
    state_t<Cell> masked = state;
    for_each_in_state(masked, [&](auto& var) {
      if (&var == &hidden_of(std::as_const(masked))) var = read;
    });
    return cell.step(x, masked);
  }
}

}  // namespace detail
}  // namespace unroll
