// Stream: a frozen recurrent layer that runs one step at a time, for audio callbacks and sensors. Its
// library, unroll::stream, contains no layers.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "framework/tensor.hpp"
#include "framework/var.hpp"
#include "layers/module/layer_name.hpp"
#include "layers/recurrent/kernel.hpp"

namespace unroll {

struct StreamOptions {
  Index batch = 1;  // B sequences that run side by side
};

// The kernels of the library's cells for the instruction set in use, for StreamWeights. relu: in place of
// tanh; reset_after and z_keeps: as GruOptions::reset and update (layers/gru.hpp) say.
template <class S>
bptt::Kernel<S> rnn_kernel(bool relu) noexcept;
template <class S>
bptt::Kernel<S> lstm_kernel() noexcept;
template <class S>
bptt::Kernel<S> gru_kernel(bool reset_after, bool z_keeps) noexcept;
template <class S>
bptt::Kernel<S> mgu_kernel() noexcept;

// One layer's weights in PyTorch's layouts: gates stacked by rows, i f g o for an LSTM, r z n for a GRU,
// f n for a minimal gated unit.
template <class S>
struct StreamWeights {
  bptt::Kernel<S> (*kernel)();                // lstm_kernel<S>, or [] { return rnn_kernel<S>(true); }
  Tensor<S> weight_ih;                        // (gates H, I)
  Tensor<S> weight_hh;                        // (gates H, H); with a projection (4H, P)
  std::optional<Tensor<S>> bias_ih, bias_hh;  // (gates H)
  std::optional<Tensor<S>> weight_hr;         // (P, H), an LSTM's projection
};

// A linear map on the output of every step.
template <class S>
struct StreamHead {
  Tensor<S> weight;               // (O, H); with a projection (O, P)
  std::optional<Tensor<S>> bias;  // (O)
};

namespace detail {

// An output of a step that returns several, in the stream's memory.
template <class S>
struct StreamOutput {
  std::string name;
  std::span<const S> y;
};

// One stream's run of a program: its memory but for the states.
template <class S>
struct StreamProgramRun {
  std::vector<StreamOutput<S>> outputs = {};
  virtual ~StreamProgramRun() = default;
  // Returns y, valid until the next call.
  virtual const S* step(const S* x) noexcept = 0;
};

// A cell without a kernel, or a function of the layer's output, as a program. Its library is that of layers.
template <class S>
struct StreamProgram {
  std::size_t input, output;
  std::vector<std::string> names = {};  // of the state's Vars; none: a function
  VarList<S> initial = {};              // (1,..) each
  virtual ~StreamProgram() = default;
  // states: the place of each Var (B,..) of the state.
  virtual std::unique_ptr<StreamProgramRun<S>> start(std::size_t batch, std::vector<S*> states) const = 0;
};

// The description of one cell: its kernel and weights, or its program.
template <class S>
struct StreamCell {
  bptt::Kernel<S> kernel;
  std::size_t input;  // I
  VarList<S> inputs;  // to_inputs() without x; states are learned ones (1,..), absent ones are undefined
  std::shared_ptr<const StreamProgram<S>> program = nullptr;
};

// The description of a layer, from which a stream is built.
template <class S>
struct StreamSource {
  LayerName layer;
  Index batch = 1;
  bool kernels = true;    // for cells that have one; else everything is a program
  Var<S> embedding = {};  // (V,E), if the input is ids
  std::vector<StreamCell<S>> cells = {};
  bool has_head = false;
  Var<S> head_weight = {}, head_bias = {};
};

// The weights, which the streams of one freeze() share, and one stream's memory.
template <class S>
struct StreamState;
template <class S>
std::shared_ptr<StreamState<S>> build_stream(const StreamSource<S>& source);

}  // namespace detail

// A frozen recurrent layer (layers/freeze.hpp makes one from a layer) and the state of B sequences, in memory
// of fixed size. It is independent of the layer and computes the equations of the layer's sequence forward in
// evaluation, without a tape.
//
// step(), block() and reset() do not allocate, lock, wait, throw or call a BLAS. A stream belongs to one
// thread at a time; different streams, including clones, can run on different threads.
template <class S>
class Stream {
 public:
  using Scalar = S;

  // Makes an empty stream, which accepts no input.
  Stream() = default;
  Stream(Stream&&) = default;
  Stream& operator=(Stream&&) = default;
  Stream(const Stream&) = delete;  // stream.clone()
  Stream& operator=(const Stream&) = delete;

  // Runs one step: x (B,I) -> y (B,H), with a projection (B,P), with a head (B,O), all row-major. y is valid
  // until the next call of a member and always at the same address; it may be the next x. An x of another
  // size than batch() * input_size() is not read, changes nothing and gives an empty y.
  std::span<const S> step(std::span<const S> x) noexcept;
  // Does the same for a model that begins with an Embedding: ids (B). Ids outside 0..V-1 are like an x of
  // another size.
  std::span<const S> step(std::span<const std::int64_t> ids) noexcept;

  // Runs n steps in one call: x (n,B,I) or ids (n,B) -> y (n,B,O). If the sizes do not fit each other and the
  // stream, or an id is none, it reads and writes nothing and returns false.
  bool block(std::span<const S> x, std::span<S> y) noexcept;
  bool block(std::span<const std::int64_t> ids, std::span<S> y) noexcept;

  // Returns one output (B,O) of the last step, of a model whose step returns several. It is valid like y;
  // empty, if there is none of that name.
  std::span<const S> output(std::string_view name) const noexcept;

  // Restores the layer's initial states: learned ones as they were when the layer was frozen, or zeros.
  void reset() noexcept;

  // Continues from states that the layer has returned, one for each layer:
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
  // Returns the states in the layer's form: stream.template states<Layer::State>(). Throws ArgumentError for
  // another kind of cell.
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

  // Returns a stream that shares the weights and has its own state, initially a copy of this one's.
  Stream clone() const;

  // Return B, I (1 for ids) and the elements of a row of y; 0 for an empty stream.
  std::size_t batch() const noexcept;
  std::size_t input_size() const noexcept;
  std::size_t output_size() const noexcept;

  // Used by freeze(); null makes an empty stream.
  explicit Stream(std::shared_ptr<detail::StreamState<S>> state) : state_(std::move(state)) {}

 private:
  void write_states(std::size_t count, const std::vector<Var<S>>& parts);
  std::vector<std::vector<Tensor<S>>> read_states(std::size_t parts_of_state) const;

  std::shared_ptr<detail::StreamState<S>> state_;  // owned; its type is incomplete here
};

// Returns a stream of stacked layers, with an optional head, from their weights: for programs that link
// unroll::stream, without the layers and their BLAS. Its initial states are zeros. Throws ArgumentError for a
// batch below 1 or no layers, ShapeError for weights that do not fit together.
template <class S>
Stream<S> freeze(const std::vector<StreamWeights<S>>& layers, const StreamOptions& options = {});
template <class S>
Stream<S> freeze(const std::vector<StreamWeights<S>>& layers, const StreamHead<S>& head,
                 const StreamOptions& options = {});

extern template class Stream<float>;
extern template class Stream<double>;

}  // namespace unroll
