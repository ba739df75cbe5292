// The interface between Recurrent and a cell's hand-derived kernel. Declared here to keep user files light;
// layers/kernels/fused.hpp has the definitions, for files that instantiate Recurrent with such a cell.
#pragma once

#include <array>
#include <span>
#include <string_view>

#include "layers/recurrent/batch_layout.hpp"
#include "layers/recurrent/cell.hpp"

namespace unroll::bptt {

template <class S>
struct UnitKernel;  // layers/kernels/unit.hpp

// A cell's kernel: the loops of its unit for the current instruction set, and the unit's option.
template <class S>
struct Kernel {
  const UnitKernel<S>* unit;
  bool option = false;
};

}  // namespace unroll::bptt

namespace unroll::detail {

// A cell has a kernel if it has kernel(), which returns a bptt::Kernel.
template <class Cell>
concept HasKernel = requires(const Cell& cell) {
  cell.kernel();
};

// Returns a kernel's inputs as one list: x, the state's Vars, the cell's parameters in the order of each()
// (absent ones undefined).
template <class Cell>
VarList<scalar_t<Cell>> to_inputs(const Cell& cell, const Var<scalar_t<Cell>>& x,
                                  const state_t<Cell>& state) {
  VarList<scalar_t<Cell>> inputs;
  inputs.reserve(16);
  inputs.push_back(x);
  for_each_in_state(state, [&](const auto& var) { inputs.push_back(var); });
  Cell::each(cell, [&](std::string_view, const auto& member) {
    if constexpr (is_parameter<std::remove_cvref_t<decltype(member)>>) inputs.push_back(member);
  });
  return inputs;
}

// Runs a layer in one direction. Returns the list that layer_result takes.
template <class Cell>
VarList<scalar_t<Cell>> run_fused(const Cell& cell, const Var<scalar_t<Cell>>& x, const state_t<Cell>& state,
                                  const bptt::BatchLayout& layout, bool all_states);

// Runs both directions of a layer, on two threads if that pays. layouts: forward, backward.
template <class Cell>
std::array<LayerResult<scalar_t<Cell>, state_t<Cell>>, 2> run_fused_directions(
    std::span<const Cell, 2> cells, const Var<scalar_t<Cell>>& x, std::span<const state_t<Cell>, 2> states,
    const std::array<bptt::BatchLayout, 2>& layouts, bool all_states);

// Runs all layers of one direction on two threads if that pays: sequence becomes the last layer's output and
// states the final states. Otherwise does nothing and returns false.
template <class Cell>
bool run_fused_stack(std::span<const Cell> cells, Var<scalar_t<Cell>>& sequence,
                     States<state_t<Cell>>& states, const bptt::BatchLayout& layout);

}  // namespace unroll::detail
