// freeze(): makes a stream from a layer.
#pragma once

#include "layers/linear.hpp"
#include "layers/module/new_parameter.hpp"
#include "layers/recurrent.hpp"
#include "layers/stream.hpp"

namespace unroll {
namespace detail {

[[noreturn]] void throw_not_frozen(const LayerName& layer, const char* option);
[[noreturn]] void throw_no_stream(const LayerName& layer);

template <class Cell>
Stream<scalar_t<Cell>> freeze_layer(const Recurrent<Cell>& layer, const Linear<scalar_t<Cell>>* head,
                                    Index batch) {
  using S = scalar_t<Cell>;
  StreamSource<S> source{.layer = {Recurrent<Cell>::kName}, .batch = batch};
  if constexpr (HasKernel<Cell>) {
    layer.require_one_direction("freeze");
    for (std::size_t l = 0; l < layer.cells().size(); ++l) {
      const Cell& cell = layer.cells()[l];
      const state_t<Cell> state =
          layer.learned_states().empty() ? state_t<Cell>{} : layer.learned_states()[l];
      source.cells.push_back(
          {cell.kernel(), static_cast<std::size_t>(cell.options.input), to_inputs(cell, Var<S>(), state)});
      if (l == 0) source.layer.parameter = cell.weight_ih.name();
      if constexpr (requires { cell.unsupported_option(); }) {
        if (const char* option = cell.unsupported_option()) throw_not_frozen(source.layer, option);
      }
    }
    if (layer.options().zoneout_hidden > 0.0) throw_not_frozen(source.layer, "zoneout_hidden");
    if (layer.options().zoneout_cell > 0.0) throw_not_frozen(source.layer, "zoneout_cell");
  } else {
    throw_no_stream(source.layer);
  }
  if (head != nullptr) {
    if (!head->weight.defined()) throw_empty_layer(Linear<S>::kName, "freeze");
    source.has_head = true;
    source.head_weight = head->weight;
    source.head_bias = head->bias;
  }
  return Stream<S>(build_stream(source));
}

}  // namespace detail

// Returns a stream with a copy of the layer's weights, starting from the layer's initial states: x (B,I) -> y
// (B,H). Supports every cell with a hand-derived kernel: Rnn (tanh, relu), Lstm (with projection), Gru and
// Mgu, stacked or not, with every Bias. A stream has no dropout and no recurrent dropout, also if the layer
// is training. Throws ArgumentError for a batch below 1, a bidirectional layer, zoneout, and cells and
// options without a kernel; use Recurrent::step for these.
template <class Cell>
Stream<scalar_t<Cell>> freeze(const Recurrent<Cell>& layer, const StreamOptions& options = {}) {
  return detail::freeze_layer(layer, nullptr, options.batch);
}

// Does the same with a linear layer on the output of every step: x (B,I) -> y (B,O). Also throws ShapeError
// for a head with another input size.
template <class Cell>
Stream<scalar_t<Cell>> freeze(const Recurrent<Cell>& layer, const Linear<scalar_t<Cell>>& head,
                              const StreamOptions& options = {}) {
  return detail::freeze_layer(layer, &head, options.batch);
}

}  // namespace unroll
