// CellOf: a cell as an AnyCell; and what runs a cell's step elsewhere. Internal to Recurrent.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "framework/ops.hpp"
#include "framework/random.hpp"
#include "layers/module.hpp"
#include "layers/module/layer_name.hpp"
#include "layers/recurrent/any_cell.hpp"
#include "layers/recurrent/cell.hpp"
#include "layers/recurrent/compiled.hpp"
#include "layers/recurrent/kernel.hpp"
#include "layers/recurrent/options.hpp"
#include "layers/recurrent/step_regularizer.hpp"

namespace unroll::detail {

template <class State, class S = scalar_t<State>>
VarList<S> vars_of(const State& state) {
  VarList<S> list;
  for_each_in_state(state, [&](const Var<S>& var) { list.push_back(var); });
  return list;
}

// Returns a state of these Vars; like: any state of the cell.
template <class State, class S = scalar_t<State>>
State state_with(const State& like, const Var<S>* next) {
  return map_state(like, [&](const Var<S>&) { return *next++; });
}

// Returns the position of h among the Vars of a state.
template <class State>
std::size_t hidden_index(const State& state) {
  std::size_t index = 0, next = 0;
  for_each_in_state(state, [&](const auto& var) {
    if (&var == &hidden_of<scalar_t<State>>(state)) index = next;
    ++next;
  });
  return index;
}

template <class State>
std::vector<std::size_t> widths_of(const State& state) {
  std::vector<std::size_t> widths;
  for_each_in_state(state, [&](const auto& var) { widths.push_back(var.shape().back()); });
  return widths;
}

// Only files that define run_fused (layers/kernels/fused.hpp) can ask for the kernel.
template <class Cell, bool kWithKernel = false>
class CellOf final : public AnyCell<scalar_t<Cell>> {
 public:
  using S = scalar_t<Cell>;
  using State = state_t<Cell>;

  // The cell must outlive it.
  CellOf(const Cell& cell, const State& like)
      : CellOf(std::shared_ptr<const Cell>(std::shared_ptr<const Cell>(), &cell), like) {}
  explicit CellOf(const Cell& cell) : CellOf(cell, zero_state(cell, 1)) {}
  CellOf(std::shared_ptr<const Cell> cell, const State& like)
      : AnyCell<S>(name_of<Cell>(), widths_of(like), hidden_index(like),
                   static_cast<std::size_t>(cell->options.hidden)),
        cell_(std::move(cell)),
        like_(like) {}

  VarList<S> step(const Var<S>& x, const VarList<S>& state, const Var<S>* read) const override {
    State typed = state_with(like_, state.data());
    if (read == nullptr) return vars_of(cell_->step(x, typed));
    if constexpr (requires { cell_->step(x, typed, *read); }) {
      return vars_of(cell_->step(x, typed, *read));
    } else {
      // Right for every cell that uses h only in its recurrent products.
      std::size_t next = 0;
      for_each_in_state(typed, [&](Var<S>& var) {
        if (next++ == this->hidden) var = *read;
      });
      return vars_of(cell_->step(x, typed));
    }
  }
  VarList<S> run_kernel(const Var<S>& x, const VarList<S>& state, const bptt::BatchLayout& layout,
                        bool all_states) const override {
    if constexpr (kWithKernel)
      return run_fused(*cell_, x, state_with(like_, state.data()), layout, all_states);
    return {};
  }
  VarList<S> parameters() const override {
    VarList<S> list;
    for_each_parameter(*cell_, [&](const std::string&, const Var<S>& var) { list.push_back(var); });
    return list;
  }
  std::shared_ptr<const AnyCell<S>> with(const Var<S>* parameters) const override {
    auto copy = std::make_shared<Cell>(share(*cell_));
    for_each_parameter(*copy, [&](const std::string&, Var<S>& var) { var = *parameters++; });
    return std::make_shared<CellOf>(std::move(copy), like_);
  }
  std::vector<Rng*> generators() const override {
    std::vector<Rng*> list;
    for_each_slot(*cell_, "", [&]<class T>(const std::string&, T& slot) {
      if constexpr (std::is_same_v<T, Rng>) list.push_back(&slot);
    });
    return list;
  }
  void read_numbers(std::vector<long double>& list) const override {
    for_each_number([&](auto& number) { list.push_back(static_cast<long double>(number)); });
  }
  bool set_numbers(const std::vector<long double>& list) const override {
    auto next = list.begin();
    bool changed = false;
    for_each_number([&]<class T>(T& number) {
      const auto before = static_cast<T>(*next++);
      const T now = std::exchange(number, before);
      changed |= now != before && (now == now || before == before);  // a NaN may stay one
    });
    return changed;
  }

 private:
  template <class F>
  void for_each_number(F&& f) const {
    for_each_slot(*cell_, "", [&]<class T>(const std::string&, T& slot) {
      if constexpr (!std::is_const_v<T> && std::is_arithmetic_v<T>) f(slot);
    });
  }
  std::shared_ptr<const Cell> cell_;
  State like_;
};

// A cell's step in evaluation, for what runs it elsewhere: streams and ONNX.
template <class Cell>
CompiledStep<scalar_t<Cell>> compile_for_inference(const Cell& cell, const RecurrentOptions& options) {
  Cell copy = share(cell);
  set_training(copy, false);
  return compile_forward_step(CellOf<Cell>(copy), options, static_cast<std::size_t>(cell.options.input));
}

// A layer's step as a trace sees it: cell by cell, x (B,I).
template <class Output, class Cell, class S = scalar_t<Cell>>
Output step_by_ops(const std::vector<Cell>& cells, const RecurrentOptions& options, bool training,
                   const Var<S>& x, const States<state_t<Cell>>& states, Rng& rng) {
  const StepRegularizer regularizer(options, training);
  Output result{x, {}};
  for (std::size_t l = 0; l < cells.size(); ++l) {
    if (l > 0 && options.dropout > 0.0 && training)
      result.output = dropout(result.output, options.dropout, rng);
    const auto one_step = bptt::BatchLayout::dense(1, result.output.shape(0), false);
    const CellOf<Cell> cell(cells[l], states[l]);
    const Var<S> masked = regularizer.with_masks(cell, result.output, one_step, rng);
    const VarList<S> next = regularizer.step(cell, masked, vars_of(states[l]));
    result.states.push_back(state_with(states[l], next.data()));
    result.output = next[cell.hidden];
  }
  return result;
}

}  // namespace unroll::detail
