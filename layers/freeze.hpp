// freeze(): a stream of a layer.
#pragma once

#include <string>
#include <type_traits>

#include "layers/linear.hpp"
#include "layers/module/new_parameter.hpp"
#include "layers/stream.hpp"

namespace unroll {

// Whoever freezes a layer has included it.
template <class Cell>
class Recurrent;
template <class S>
struct RnnCell;
template <class S>
struct LstmCell;
template <class S>
struct GruCell;
struct RecurrentOptions;

namespace detail {

// Throws ArgumentError for options that a stream has not.
template <class S>
StreamCell<S> stream_cell(const LayerName& layer, const RnnCell<S>& cell);
template <class S>
StreamCell<S> stream_cell(const LayerName& layer, const LstmCell<S>& cell);
template <class S>
StreamCell<S> stream_cell(const LayerName& layer, const GruCell<S>& cell);
void check_stream_options(const LayerName& layer, const RecurrentOptions& options);
[[noreturn]] void throw_no_stream(const LayerName& layer);

template <class Cell>
Stream<scalar_t<Cell>> freeze_layer(const Recurrent<Cell>& layer, const Linear<scalar_t<Cell>>* head,
                                    Index batch) {
  using S = scalar_t<Cell>;
  StreamSource<S> source{.layer = {Recurrent<Cell>::kName}, .batch = batch};
  if constexpr (std::is_same_v<Cell, RnnCell<S>> || std::is_same_v<Cell, LstmCell<S>> ||
                std::is_same_v<Cell, GruCell<S>>) {
    if (!layer.cells().empty()) source.layer.parameter = layer.cells().front().weight_ih.name();
    layer.require_one_direction("freeze");
    check_stream_options(source.layer, layer.options());
    for (const Cell& cell : layer.cells()) source.cells.push_back(stream_cell(source.layer, cell));
    if (layer.options().learn_initial_states) {
      Recurrent<Cell>::each(layer, [&](const std::string& name, const auto& member) {
        if constexpr (is_parameter<std::remove_cvref_t<decltype(member)>>) {
          if (name.starts_with("h0_l") || name.starts_with("c0_l")) source.learned.push_back(member);
        }
      });
    }
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

// A stream with a copy of the layer's weights, from the layer's initial states: x (B,I) -> y (B,H). For Rnn
// (tanh, relu), Lstm (with projection) and Gru, stacked or not, with every Bias. Whether the layer is
// training does not matter: a stream has no dropout and no recurrent dropout. Throws ArgumentError for a
// batch below 1, a bidirectional layer, zoneout, and cells and options without a hand-derived kernel, which
// Recurrent::step runs.
template <class Cell>
Stream<scalar_t<Cell>> freeze(const Recurrent<Cell>& layer, const StreamOptions& options = {}) {
  return detail::freeze_layer(layer, nullptr, options.batch);
}

// The same with a linear layer on the output of every step: x (B,I) -> y (B,O). Throws ShapeError for a head
// with another input size, too.
template <class Cell>
Stream<scalar_t<Cell>> freeze(const Recurrent<Cell>& layer, const Linear<scalar_t<Cell>>& head,
                              const StreamOptions& options = {}) {
  return detail::freeze_layer(layer, &head, options.batch);
}

}  // namespace unroll
