#include "layers/recurrent/step_regularizer.hpp"

#include <algorithm>
#include <utility>

#include "framework/ops.hpp"
#include "framework/ops/chain.hpp"
#include "layers/recurrent/options.hpp"

namespace unroll::detail {

template <class S>
Var<S> mix(const Var<S>& keep, const Var<S>& before, const Var<S>& after) {
  // A value that is not taken may be infinite.
  return chain(keep, before) + chain(1.0 - keep, after);
}

StepRegularizer::StepRegularizer(const RecurrentOptions& options, bool training)
    : drops_(training && options.recurrent_dropout > 0.0),
      draws_(training),
      dropout_(options.recurrent_dropout),
      zoneout_hidden_(options.zoneout_hidden),
      zoneout_cell_(options.zoneout_cell) {}

template <class S>
std::size_t StepRegularizer::columns(const AnyCell<S>& cell) const {
  std::size_t count = drops_ ? cell.widths[cell.hidden] : 0;
  for (std::size_t i = 0; draws_ && i < cell.state_count(); ++i) {
    if (probability(cell, i) > 0.0) count += cell.widths[i];
  }
  return count;
}

template <class S>
Var<S> StepRegularizer::with_masks(const AnyCell<S>& cell, const Var<S>& x, const bptt::BatchLayout& steps,
                                   Rng& rng) const {
  for (std::size_t i = 0; draws_ && i < cell.state_count(); ++i) {
    if (probability(cell, i) > 0.0 && cell.widths[i] == 0)
      throw_not_rows(cell.name, "zoneout", cell.state_name(i));
  }
  const std::size_t width = columns(cell);
  if (width == 0) return x;
  Shape shape = x.shape();
  shape.back() = width;
  Tensor<S> masks(shape);
  std::size_t column = 0;
  const auto row = [&](std::size_t t, std::size_t b) {
    return masks.data() + (steps.offset(t) + b) * width + column;
  };
  if (drops_) {  // once for a sequence
    const std::size_t size = cell.widths[cell.hidden];
    const Var<S> mask = dropout(Var<S>(ones<S>({steps.batch, size})), dropout_, rng);
    for (std::size_t t = 0; t < steps.count(); ++t) {
      for (std::size_t b = 0; b < steps.batch_size(t); ++b)
        std::copy_n(mask.data() + b * size, size, row(t, b));
    }
    column = size;
  }
  const std::size_t first = column;
  for (std::size_t k = 0; draws_ && k < steps.count(); ++k, column = first) {
    const std::size_t t = steps.time(k);
    for (std::size_t i = 0; i < cell.state_count(); ++i) {
      const double p = probability(cell, i);
      if (p == 0.0) continue;
      const std::size_t size = cell.widths[i];
      for (std::size_t b = 0; b < steps.batch_size(t); ++b) {
        S* keep = row(t, b);
        for (std::size_t j = 0; j < size; ++j) keep[j] = rng.uniform() < p ? S(1) : S(0);
      }
      column += size;
    }
  }
  return concat({x, Var<S>(std::move(masks))}, -1);
}

// Throws ShapeError if a step has changed the form of the state.
template <class S>
void check_next(const AnyCell<S>& cell, const VarList<S>& state, const VarList<S>& next) {
  for (std::size_t i = 0; i < state.size(); ++i) {
    const Var<S> none, &now = i < next.size() ? next[i] : none;
    if (now.defined() && now.shape() == state[i].shape()) continue;
    throw_next_state(cell.name, cell.state_name(i), state[i].shape(), now.defined() ? &now.shape() : nullptr);
  }
}

template <class S>
VarList<S> StepRegularizer::step(const AnyCell<S>& cell, const Var<S>& x, const VarList<S>& state) const {
  const std::size_t width = columns(cell);
  auto column = static_cast<Index>(x.shape().back() - width);
  const auto take = [&](std::size_t count) {
    const Index first = std::exchange(column, column + static_cast<Index>(count));
    return slice(x, -1, {first, column});
  };
  const Var<S> own = width == 0 ? x : slice(x, -1, {0, column});
  Var<S> read;
  if (drops_) read = state[cell.hidden] * take(cell.widths[cell.hidden]);
  VarList<S> next = cell.step(own, state, drops_ ? &read : nullptr);
  check_next(cell, state, next);
  for (std::size_t i = 0; i < next.size(); ++i) {
    const double keep = probability(cell, i);
    if (keep == 0.0) continue;
    next[i] =
        draws_ ? mix(take(cell.widths[i]), state[i], next[i]) : keep * state[i] + (1.0 - keep) * next[i];
  }
  return next;
}

#define UNROLL_INSTANTIATE(S)                                                                             \
  template Var<S> mix(const Var<S>&, const Var<S>&, const Var<S>&);                                       \
  template std::size_t StepRegularizer::columns(const AnyCell<S>&) const;                                 \
  template Var<S> StepRegularizer::with_masks(const AnyCell<S>&, const Var<S>&, const bptt::BatchLayout&, \
                                              Rng&) const;                                                \
  template VarList<S> StepRegularizer::step(const AnyCell<S>&, const Var<S>&, const VarList<S>&) const;
UNROLL_INSTANTIATE(float)
UNROLL_INSTANTIATE(double)
#undef UNROLL_INSTANTIATE

}  // namespace unroll::detail
