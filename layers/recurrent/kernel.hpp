// What Recurrent asks of a cell's hand-derived kernel. Declared here, so that a user's file does not pay for
// it; layers/kernels/fused.hpp has the rest, and who instantiates Recurrent with such a cell includes it.
#pragma once

#include <array>
#include <span>
#include <string_view>

#include "layers/recurrent/batch_layout.hpp"
#include "layers/recurrent/cell.hpp"

namespace unroll::bptt {

template <class S>
struct UnitKernel;  // layers/kernels/unit.hpp

// A cell's kernel: its unit's loops for the instruction set in use, and the unit's option.
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

// A kernel's inputs as one list: x, the state's Vars, the cell's parameters in the order of each(), where
// absent ones are undefined.
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

// A layer in one direction.
template <class Cell>
LayerResult<scalar_t<Cell>, state_t<Cell>> run_fused(const Cell& cell, const Var<scalar_t<Cell>>& x,
                                                     const state_t<Cell>& state,
                                                     const bptt::BatchLayout& layout, bool all_states);

// Both directions of a layer, on two threads where that pays. layouts: forward, backward.
template <class Cell>
std::array<LayerResult<scalar_t<Cell>, state_t<Cell>>, 2> run_fused_directions(
    std::span<const Cell, 2> cells, const Var<scalar_t<Cell>>& x, std::span<const state_t<Cell>, 2> states,
    const std::array<bptt::BatchLayout, 2>& layouts, bool all_states);

// All layers of one direction on two threads, where that pays: sequence becomes the last one's output, the
// states the final ones. Else nothing is done, and the result is false.
template <class Cell>
bool run_fused_stack(std::span<const Cell> cells, Var<scalar_t<Cell>>& sequence,
                     States<state_t<Cell>>& states, const bptt::BatchLayout& layout);

}  // namespace unroll::detail
