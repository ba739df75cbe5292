// CellOf: a cell as an AnyCell; and what runs a cell's step elsewhere. Internal to Recurrent.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
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

// Returns the position of h among the Vars of a state. Throws ArgumentError if State::each does not visit it.
template <class State>
std::size_t hidden_index(const State& state) {
  std::optional<std::size_t> index;
  std::size_t next = 0;
  for_each_in_state(state, [&](const auto& var) {
    if (&var == &hidden_of<scalar_t<State>>(state)) index = next;
    ++next;
  });
  if (!index) throw_no_hidden();
  return *index;
}

// Returns the widths of a state's Vars (B,W); 0 for one of another form.
template <class State>
std::vector<std::size_t> widths_of(const State& state) {
  std::vector<std::size_t> widths;
  for_each_in_state(state,
                    [&](const auto& var) { widths.push_back(var.dimension() == 2 ? var.shape(1) : 0); });
  return widths;
}

// Throws ShapeError unless each cell reads what the layer below gives, and both directions give as much.
template <class Cell>
void check_cells_fit(const LayerName& layer, const std::vector<Cell>& cells, std::size_t directions) {
  if (cells.size() == 1) return;
  std::size_t input = static_cast<std::size_t>(cells.front().options.input), before = input;
  for (std::size_t k = 0; k < cells.size(); ++k) {
    if (k % directions == 0) input = std::exchange(before, output_size(cells[k]) * directions);
    const auto own = static_cast<std::size_t>(cells[k].options.input);
    if (own != input) throw_cell_sizes(layer, k, "input", input, own);
    if (output_size(cells[k]) * directions != before)
      throw_cell_sizes(layer, k, "output_size", before / directions, output_size(cells[k]));
  }
}

// Throws ShapeError unless h of the cell's own zero_state() is (B,output_size) and every other Var (B,..).
template <class Cell>
void check_zero_state(const LayerName& layer, const Cell& cell, const state_t<Cell>& zero,
                      std::size_t batch) {
  if constexpr (!requires { cell.zero_state(batch); }) return;
  const std::size_t width = output_size(cell);
  const auto* hidden = &hidden_of<scalar_t<Cell>>(zero);
  const auto is_wrong = [&](const auto& var) {
    const bool rows = var.defined() && var.dimension() > 0 && var.shape(0) == batch;
    return !rows || (&var == hidden && (var.dimension() != 2 || var.shape(1) != width));
  };
  bool wrong = false;
  for_each_in_state(zero, [&](const auto& var) { wrong |= is_wrong(var); });
  if (!wrong) return;
  for_each_named_in_state(zero, [&](const std::string& part, const auto& var) {
    if (!is_wrong(var)) return;
    const Shape want{batch, width};
    throw_zero_state(layer, part, batch, &var == hidden ? &want : nullptr,
                     var.defined() ? &var.shape() : nullptr);
  });
}

// Throws ShapeError unless state k of a call is like the layer's zero state.
template <class State, class S = scalar_t<State>>
void check_given_state(const LayerName& layer, std::size_t k, const State& zero, const State& given) {
  PooledVector<const Var<S>*> got;
  for_each_in_state(given, [&](const Var<S>& var) { got.push_back(&var); });
  std::size_t next = 0;
  for_each_named_in_state(zero, [&](const std::string& part, const Var<S>& want) {
    const Var<S>* const var = next < got.size() ? got[next++] : nullptr;
    check_state(layer, k, part, want.shape(), var != nullptr && var->defined() ? &var->shape() : nullptr);
  });
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
  std::shared_ptr<const AnyCell<S>> exact_copy() const override {
    if constexpr (std::is_constructible_v<Cell, const Cell&>)
      return std::make_shared<CellOf>(std::make_shared<Cell>(share(*cell_)), like_);
    return nullptr;
  }
  std::span<const std::byte> bytes() const override { return std::as_bytes(std::span(cell_.get(), 1)); }
  std::string state_name(std::size_t index) const override {
    std::string result;
    for_each_named_in_state(like_, [&](const std::string& part, const auto&) {
      if (index-- == 0) result = part;
    });
    return result;
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
  if constexpr (!std::is_constructible_v<Cell, const Cell&>)
    return {nullptr, {}, {}, "a cell without a copy constructor"};
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
