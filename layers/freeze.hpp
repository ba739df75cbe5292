// freeze(): makes a stream from a layer.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "layers/embedding.hpp"
#include "layers/linear.hpp"
#include "layers/module/new_parameter.hpp"
#include "layers/recurrent.hpp"
#include "layers/sequential.hpp"
#include "layers/stream.hpp"

namespace unroll {
namespace detail {

[[noreturn]] void throw_not_frozen(const LayerName& layer, const std::string& why);
[[noreturn]] void throw_stream_input(const LayerName& layer, Index size);

// The state of a step: its Vars, of which `output` is what the step returns.
template <class S>
struct StepState {
  std::vector<std::string> names = {};  // of the first Vars; the others are the stream's own
  VarList<S> initial = {};              // (1,..) each
  std::size_t output = 0;
  std::vector<std::string> outputs = {};  // the names of several, from `output` on
};
// Makes a part of a stream. Throws ArgumentError if the step has not been compiled.
template <class S>
StreamCell<S> stream_program(const LayerName& layer, const CompiledStep<S>& step, std::size_t input,
                             const StepState<S>& state);
// Does the same for a function of x alone.
template <class S>
StreamCell<S> stream_function(const LayerName& layer, std::size_t input,
                              const std::function<Var<S>(const Var<S>&)>& f);

// Put an Embedding in front, and a linear layer behind. Throw ArgumentError for an empty one.
template <class S>
void set_embedding(StreamSource<S>& source, const Embedding<S>& embedding);
template <class S>
void set_head(StreamSource<S>& source, const Linear<S>& head);

template <class Cell, class S = scalar_t<Cell>>
StreamCell<S> stream_cell(const LayerName& layer, const Recurrent<Cell>& of, std::size_t index,
                          bool by_kernel) {
  const Cell& cell = of.cells()[index];
  const RecurrentOptions& options = of.options();
  const bool learned = !of.learned_states().empty();
  if constexpr (HasKernel<Cell>) {
    const char* option = regularizer_option(options, /*training=*/false);
    if constexpr (requires { cell.unsupported_option(); }) {
      if (option == nullptr) option = cell.unsupported_option();
    }
    if (by_kernel && option == nullptr)
      return {cell.kernel(), static_cast<std::size_t>(cell.options.input),
              to_inputs(cell, Var<S>(), learned ? of.learned_states()[index] : state_t<Cell>{})};
  }
  const state_t<Cell> zero = zero_state(cell, 1), initial = learned ? of.learned_states()[index] : zero;
  StepState<S> state{.output = hidden_index(zero)};
  for_each_named_in_state(initial, [&](const std::string& name, const Var<S>& var) {
    state.names.push_back(name);
    state.initial.push_back(var);
  });
  return stream_program(layer, compile_for_inference(cell, options),
                        static_cast<std::size_t>(cell.options.input), state);
}

// A model with a step of its own; its outputs are Vars behind those of its state, which no step reads.
template <class Model, class S = scalar_t<Model>>
StreamCell<S> stream_model(const LayerName& name, const Model& model, std::size_t input) {
  using State = typename Model::State;
  const State zero = model.zero_state(1);
  StepState<S> state{.output = count_vars(zero)};
  for_each_named_in_state(zero, [&](const std::string& part, const Var<S>& var) {
    state.names.push_back(part);
    state.initial.push_back(var);
  });
  std::vector<std::size_t> widths = widths_of(zero);
  widths.insert(widths.begin(), input);
  {
    const NoGrad constants;
    const auto [output, next] = model.step(Var<S>::zeros({1, input}), zero);
    constexpr bool several = !is_parameter<std::remove_cvref_t<decltype(output)>>;
    for_each_named_in_state(output, [&](const std::string& part, const Var<S>& y) {
      if (y.dimension() != 2 || y.shape(0) != 1)
        throw_not_frozen(name, "an output that is not (B,O): " + to_string(y.shape()));
      if (several) state.outputs.push_back(part);
      state.initial.push_back(Var<S>::zeros(y.shape()));
      widths.push_back(y.shape(1));
    });
    if (state.initial.size() == state.output) throw_not_frozen(name, "one without an output");
  }
  const StepFunction<S> step = [&](const VarList<S>& rows) {
    const auto [output, next] = model.step(rows[0], state_with(zero, rows.data() + 1));
    VarList<S> result = vars_of(next);
    for_each_in_state(output, [&](const Var<S>& y) { result.push_back(y); });
    return result;
  };
  return stream_program(name, compile_forward(step, widths), input, state);
}

template <class Cell, class S = scalar_t<Cell>>
void add_cells(const Recurrent<Cell>& layer, StreamSource<S>& source) {
  source.layer = {Recurrent<Cell>::kName};
  layer.require_one_direction("freeze");
  for (std::size_t l = 0; l < layer.cells().size(); ++l) {
    if (l == 0) source.layer.parameter = first_parameter_name(layer.cells()[0]);
    source.cells.push_back(stream_cell(source.layer, layer, l, source.kernels));
  }
}

// Returns a pointer to a part as it is in evaluation; a function is itself.
template <class Part>
auto in_evaluation(const Part& part) {
  if constexpr (Module<Part>) {
    auto copy = std::make_unique<Part>(share(part));
    set_training(*copy, false);
    return copy;
  } else {
    return &part;
  }
}

// Adds the parts of a Sequential from the I-th on, whose input has `input` features.
template <class S, std::size_t I = 0, class... Parts>
void add_parts(const Sequential<Parts...>& model, StreamSource<S>& source, std::size_t input = 0) {
  if constexpr (I < sizeof...(Parts)) {
    const auto& part = model.template part<I>();
    using Part = std::remove_cvref_t<decltype(part)>;
    if constexpr (std::is_same_v<Part, Embedding<S>>) {
      static_assert(I == 0, "freeze: expected an Embedding only as the first part");
      set_embedding(source, part);
      input = part.weight.shape(1);
    } else if constexpr (requires { typename Part::CellOptions; }) {
      add_cells(part, source);
      input = part.output_size();
    } else {
      static_assert(I > 0,
                    "freeze: expected a Sequential that begins with an Embedding or a recurrent layer");
      using Before = std::remove_cvref_t<decltype(model.template part<I - 1>())>;
      const auto evaluated = in_evaluation(part);
      source.cells.push_back(stream_function<S>(source.layer, input, [&](const Var<S>& x) -> Var<S> {
        if constexpr (requires { typename Before::CellOptions; }) {
          // What the layer before returns for a sequence of one step, without the rest of its state.
          typename Before::State state;
          for_each_in_state(state, [&](auto& var) {
            if (&var == &hidden_of<S>(std::as_const(state))) var = x;
          });
          return (*evaluated)(typename Before::Output{x, {state}});
        } else {
          return (*evaluated)(x);
        }
      }));
      input = source.cells.back().program->output;
    }
    add_parts<S, I + 1>(model, source, input);
  }
}

// Return the description of a model that freeze() takes. how: batch and kernels are set.
template <class Cell, class S = scalar_t<Cell>>
StreamSource<S> source_of(StreamSource<S> how, const Recurrent<Cell>& layer) {
  how.layer = {Recurrent<Cell>::kName};
  add_cells(layer, how);
  return how;
}
template <class Cell, class S = scalar_t<Cell>>
StreamSource<S> source_of(StreamSource<S> how, const Recurrent<Cell>& layer, const Linear<S>& head) {
  how = source_of(std::move(how), layer);
  set_head(how, head);
  return how;
}
template <class Cell, class S = scalar_t<Cell>>
StreamSource<S> source_of(StreamSource<S> how, const Embedding<S>& embedding, const Recurrent<Cell>& layer,
                          const Linear<S>& head) {
  how = source_of(std::move(how), layer, head);
  set_embedding(how, embedding);
  return how;
}
template <class S, class... Parts>
StreamSource<S> source_of(StreamSource<S> how, const Sequential<Parts...>& model) {
  how.layer = {"Sequential"};
  add_parts<S>(model, how);
  return how;
}
template <class Model, class S = scalar_t<Model>>
StreamSource<S> source_of(StreamSource<S> how, const Model& model, Index input_size) {
  how.layer = {"model"};
  if constexpr (requires { Model::kName; }) how.layer.kind = Model::kName;
  if (input_size < 1) throw_stream_input(how.layer, input_size);
  how.cells.push_back(stream_model(how.layer, model, static_cast<std::size_t>(input_size)));
  return how;
}

template <class S, class... Model>
Stream<S> make_stream(const StreamOptions& options, const Model&... model) {
  return Stream<S>(build_stream(source_of(StreamSource<S>{.layer = {""}, .batch = options.batch}, model...)));
}

}  // namespace detail

// Returns a stream with a copy of the layer's weights, starting from the layer's initial states: x (B,I) -> y
// (B,H), for every cell and option, by the cell's kernel or as a program (layers/recurrent.md, "Options and
// paths"). A stream has no dropout and no recurrent dropout, also if the layer is training; with zoneout it
// mixes, as in evaluation. Throws ArgumentError for a batch below 1, a bidirectional layer, and a step that
// cannot be compiled, with the reason; use Recurrent::step for these.
template <class Cell>
Stream<scalar_t<Cell>> freeze(const Recurrent<Cell>& layer, const StreamOptions& options = {}) {
  return detail::make_stream<scalar_t<Cell>>(options, layer);
}

// Does the same with a linear layer on the output of every step: x (B,I) -> y (B,O). Also throws ShapeError
// for a head with another input size.
template <class Cell>
Stream<scalar_t<Cell>> freeze(const Recurrent<Cell>& layer, const Linear<scalar_t<Cell>>& head,
                              const StreamOptions& options = {}) {
  return detail::make_stream<scalar_t<Cell>>(options, layer, head);
}

// Does the same with an Embedding in front: ids (B) -> y (B,O).
template <class Cell>
Stream<scalar_t<Cell>> freeze(const Embedding<scalar_t<Cell>>& embedding, const Recurrent<Cell>& layer,
                              const Linear<scalar_t<Cell>>& head, const StreamOptions& options = {}) {
  return detail::make_stream<scalar_t<Cell>>(options, embedding, layer, head);
}

// Does the same for recurrent layers of any kinds with functions between and behind them, each from (B,C) to
// (B,D): Linear, LayerNorm, an Activation, a function of ops. The part after a recurrent layer gets its
// result, as in a call for a sequence of one step: [](const auto& r) { return r.output; } and last(r) are the
// same. The first part may be an Embedding: the stream then takes ids (B).
template <class First, class... Parts>
auto freeze(const Sequential<First, Parts...>& model, const StreamOptions& options = {}) {
  return detail::make_stream<scalar_t<First>>(options, model);
}

// Does the same for a model of one's own, a struct with
//   using Scalar, State        State: a struct of Vars with each()
//   State zero_state(B) const
//   step(x (B,I), State) const, which returns a pair, or a struct of two, of y (B,O) and the next State;
//   several outputs are a struct of Vars with each(): Stream::step returns the first, Stream::output any
// made of ops, layers and Recurrent::step with states. It is one program. A stream keeps the model's training
// mode: set_training(model, false) before.
template <class Model>
requires requires(const Model& model, const typename Model::State& state, const Var<scalar_t<Model>>& x) {
  model.zero_state(std::size_t{1});
  model.step(x, state);
}
Stream<scalar_t<Model>> freeze(const Model& model, Index input_size, const StreamOptions& options = {}) {
  return detail::make_stream<scalar_t<Model>>(options, model, input_size);
}

}  // namespace unroll
