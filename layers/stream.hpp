// Stream: a recurrent layer frozen for one step at a time, for audio callbacks and sensors.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "layers/gru.hpp"
#include "layers/linear.hpp"
#include "layers/lstm.hpp"
#include "layers/rnn.hpp"

namespace unroll {

struct StreamOptions {
  Index batch = 1;  // B sequences that run side by side
};

namespace detail {

enum class StreamKind { rnn_tanh, rnn_relu, lstm, gru_reset_after, gru_reset_before };

// One cell as a stream is built from it; undefined Vars: absent.
template <class S>
struct StreamCell {
  StreamKind kind;
  bool z_keeps;
  std::size_t input, hidden, output;  // output: the size of h
  Var<S> weight_ih, weight_hh, bias_ih, bias_hh, weight_hr;
};

// A layer as a stream is built from it.
template <class S>
struct StreamSource {
  LayerName layer;
  Index batch;
  std::vector<StreamCell<S>> cells = {};
  std::vector<Var<S>> learned = {};  // initial states, part by part
  const Linear<S>* head = nullptr;
};

// What the streams of one freeze() share and none of them changes: weights and the initial state.
template <class S>
struct StreamModel;
template <class S>
std::shared_ptr<const StreamModel<S>> build_stream(const StreamSource<S>& source);

// Throws ArgumentError for options that a stream has not.
template <class S>
StreamCell<S> stream_cell(const LayerName& layer, const RnnCell<S>& cell);
template <class S>
StreamCell<S> stream_cell(const LayerName& layer, const LstmCell<S>& cell);
template <class S>
StreamCell<S> stream_cell(const LayerName& layer, const GruCell<S>& cell);
void check_stream_options(const LayerName& layer, const RecurrentOptions& options);
[[noreturn]] void throw_no_stream(const LayerName& layer);

}  // namespace detail

// A frozen recurrent layer (freeze() makes one) and the state of B sequences, in memory of fixed size. It is
// independent of the layer; what runs on it is the equations of the layer's sequence forward in evaluation,
// without a tape.
//
// step() and reset() neither allocate nor lock, wait, throw or call a BLAS. A stream belongs to one thread at
// a time; several streams, clones too, run on several threads at once.
template <class S>
class Stream {
 public:
  using Scalar = S;

  // An empty stream, which takes no input.
  Stream() = default;
  Stream(Stream&&) = default;
  Stream& operator=(Stream&&) = default;
  Stream(const Stream&) = delete;  // stream.clone()
  Stream& operator=(const Stream&) = delete;

  // One step: x (B,I) -> y (B,H), with a projection (B,P), with a head (B,O); both row after row. y is valid
  // until the next call of a member and always at the same address; it may be given to step() as x. An x of
  // another size than batch() * input_size() is not read, changes nothing and gives an empty y.
  std::span<const S> step(std::span<const S> x) noexcept;

  // Back to the layer's initial states: learned ones as they were when it was frozen, or zeros.
  void reset() noexcept;

  // Goes on from the states that the layer has returned, one for each layer:
  // stream.set_states(lstm(past).states). Throws ShapeError for another number or other shapes, ArgumentError
  // for the states of another kind of cell.
  template <class State>
  void set_states(const States<State>& states) {
    std::vector<Var<S>> parts;
    for (const State& state : states) {
      for_each_in_state(state, [&](const Var<S>& var) { parts.push_back(var); });
    }
    write_states(states.size(), parts);
  }
  // The states as the layer takes them: stream.template states<LstmState<S>>(), or <Var<S>> for RNN and GRU.
  // Throws ArgumentError for another kind of cell.
  template <class State>
  States<State> states() const {
    States<State> result;
    std::size_t parts_of_state = 0;
    State counted;
    for_each_in_state(counted, [&](const auto&) { ++parts_of_state; });
    for (std::vector<Tensor<S>>& parts : read_states(parts_of_state)) {
      std::size_t next = 0;
      result.emplace_back();
      for_each_in_state(result.back(), [&](auto& var) { var = Var<S>(std::move(parts[next++])); });
    }
    return result;
  }

  // A second voice: the same weights, not copied, and a state of its own, which begins as this one's is now.
  Stream clone() const;

  // B, I, and the numbers that a row of y has; 0 for an empty stream.
  std::size_t batch() const noexcept;
  std::size_t input_size() const noexcept;
  std::size_t output_size() const noexcept;

  // What freeze() makes; of null, an empty stream.
  explicit Stream(std::shared_ptr<const detail::StreamModel<S>> model);

 private:
  void write_states(std::size_t count, const std::vector<Var<S>>& parts);
  std::vector<std::vector<Tensor<S>>> read_states(std::size_t parts_of_state) const;

  std::shared_ptr<const detail::StreamModel<S>> model_;
  Tensor<S> memory_;  // states, what a step needs on its way, y
};

namespace detail {

template <class Cell>
Stream<scalar_t<Cell>> freeze_layer(const Recurrent<Cell>& layer, const Linear<scalar_t<Cell>>* head,
                                    Index batch) {
  using S = scalar_t<Cell>;
  StreamSource<S> source{.layer = {Recurrent<Cell>::kKind}, .batch = batch};
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
  source.head = head;
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

extern template class Stream<float>;
extern template class Stream<double>;

}  // namespace unroll
