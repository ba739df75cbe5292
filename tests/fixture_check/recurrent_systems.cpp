// nn_rnn_tanh, nn_rnn_relu, nn_lstm, nn_gru_after, nn_gru_before: layers with PyTorch's parameters and
// layout.
#include <fmt/format.h>

#include <memory>

#include "framework/ops.hpp"
#include "layers/gru.hpp"
#include "layers/lstm.hpp"
#include "layers/rnn.hpp"
#include "registry.hpp"

namespace unroll::oracle {
namespace {

using Vars = std::vector<Var<double>>;

struct Sizes {
  Index input, hidden, layers, projection;
  std::size_t batch, steps;
  bool bidirectional, batch_first, state_given;
  std::vector<Index> lengths;

  std::size_t states() const { return static_cast<std::size_t>(layers) * (bidirectional ? 2 : 1); }
};

// Without the option x itself says it, unless there are as many steps as sequences.
bool read_batch_first(Fixture& fixture, std::size_t batch, std::size_t steps) {
  if (batch == steps || fixture.has_option("batch_first")) return fixture.get<bool>("batch_first");
  const Shape& x = fixture.array("inputs/x").shape;
  return !x.empty() && x[0] == batch;
}

// An option that is said by the system already, or has no meaning for it.
void want_if_given(Fixture& fixture, const std::string& key, const std::string& value) {
  want(key, fixture.get_or<std::string>(key, value), {value});
}

Sizes read_sizes(Fixture& fixture, const std::string& kind) {
  want_if_given(fixture, "kind", kind);
  Sizes sizes{.input = fixture.get<Index>("input_size"),
              .hidden = fixture.get<Index>("hidden_size"),
              .layers = fixture.get<Index>("num_layers"),
              .projection = fixture.get_or<Index>("proj_size", 0),
              .batch = fixture.get<std::size_t>("batch"),
              .steps = fixture.get<std::size_t>("T"),
              .bidirectional = fixture.get_or("bidirectional", false),
              .batch_first = false,
              .state_given = fixture.get_or("initial_state_given", fixture.has("inputs/h0")),
              .lengths = {}};
  sizes.batch_first = read_batch_first(fixture, sizes.batch, sizes.steps);
  sizes.lengths = read_lengths(fixture, sizes.batch);
  if (sizes.projection != 0 && kind != "lstm")
    throw FixtureError("config.proj_size: expected 0, except for an LSTM");
  const auto input = static_cast<std::size_t>(sizes.input);
  want_shape(
      fixture, "inputs/x",
      sizes.batch_first ? Shape{sizes.batch, sizes.steps, input} : Shape{sizes.steps, sizes.batch, input});
  return sizes;
}

Bias bias_of(Fixture& fixture) {
  const bool has_bias = fixture.has("params/bias_ih_l0");
  if (fixture.get_or("bias", has_bias) != has_bias)
    throw FixtureError(fmt::format("config.bias is {}, which the params are not", !has_bias));
  return has_bias ? Bias::both : Bias::none;
}

// The names and leaves whose gradients the file may ask for.
using Leaves = std::vector<std::pair<std::string, Var<double>>>;

Shape state_shape(const Sizes& sizes, Index width) {
  return {sizes.states(), sizes.batch, static_cast<std::size_t>(width)};
}

// h0 or c0: a leaf when the file has it or wants its gradient; nothing otherwise (the layer's own zeros).
Var<double> initial_state(Fixture& fixture, const std::string& name, const Sizes& sizes, Index width) {
  const Shape shape = state_shape(sizes, width);
  const std::string input = "inputs/" + name;
  if (sizes.state_given || (fixture.has(input) && !fixture.array(input).values.empty())) {
    want_shape(fixture, input, shape);
    return leaf(fixture, input);
  }
  return fixture.has("grads/" + name) ? parameter(zeros<double>(shape), name) : Var<double>();
}

template <class State>
Var<double> stack_states(const States<State>& states, Var<double> State::*part) {
  Vars parts;
  for (const State& state : states) parts.push_back(state.*part);
  return stack(parts, 0);
}
Var<double> stack_states(const States<Var<double>>& states) {
  return stack(Vars(states.begin(), states.end()), 0);
}

template <class Layer>
constexpr bool kIsLstm = std::is_same_v<typename Layer::State, LstmState<double>>;

template <class Layer>
void check_layer(Fixture& fixture, Comparison& compare, Layer& layer, const Sizes& sizes) {
  Leaves leaves;
  for_each_parameter(layer, [&](const std::string& name, auto& var) {
    want_shape(fixture, "params/" + name, var.shape());
    var = leaf(fixture, "params/" + name);
    leaves.emplace_back(name, var);
  });
  const Var<double> x = leaf(fixture, "inputs/x");
  leaves.emplace_back("x", x);

  Tape tape;
  typename Layer::Inputs inputs{.states = {}, .lengths = sizes.lengths};
  const Index out = sizes.projection > 0 ? sizes.projection : sizes.hidden;
  Var<double> h0 = initial_state(fixture, "h0", sizes, out);
  Var<double> c0;
  if constexpr (kIsLstm<Layer>) c0 = initial_state(fixture, "c0", sizes, sizes.hidden);
  if (h0.defined() || c0.defined()) {
    const auto add = [&](const char* name, Var<double>& state, Index width) {
      if (!state.defined()) state = Var<double>(zeros<double>(state_shape(sizes, width)));
      if (sizes.state_given || fixture.has(std::string("grads/") + name)) leaves.emplace_back(name, state);
    };
    add("h0", h0, out);
    if constexpr (kIsLstm<Layer>) add("c0", c0, sizes.hidden);
    for (Index k = 0; k < static_cast<Index>(sizes.states()); ++k) {
      if constexpr (kIsLstm<Layer>) {
        inputs.states.push_back({select(h0, 0, k), select(c0, 0, k)});
      } else {
        inputs.states.push_back(select(h0, 0, k));
      }
    }
  }
  const auto result = layer(x, inputs);

  std::vector<std::pair<std::string, Var<double>>> outputs{{"output", result.output}};
  if constexpr (kIsLstm<Layer>) {
    outputs.emplace_back("hn", stack_states(result.states, &LstmState<double>::h));
    outputs.emplace_back("cn", stack_states(result.states, &LstmState<double>::c));
  } else {
    outputs.emplace_back("hn", stack_states(result.states));
  }
  Var<double> loss(zeros<double>({}));
  for (const auto& [name, value] : outputs) {
    if (!has_upstream(fixture, name)) continue;
    want_shape(fixture, "cotangents/" + name, value.shape());
    loss = loss + sum(Var<double>(fixture.tensor("cotangents/" + name)) * value);
  }
  for (const auto& [name, value] : outputs) compare.equal("outputs/" + name, value);
  compare.equal("outputs/loss", loss);
  tape.backward(loss);
  for (const auto& [name, var] : leaves) compare.equal("grads/" + name, gradient(var));
}

RecurrentOptions options_of(const Sizes& sizes, Path path) {
  return {.layers = sizes.layers,
          .bidirectional = sizes.bidirectional,
          .batch_first = sizes.batch_first,
          .path = path};
}

Handler rnn_handler(const std::string& kind, const Activation& activation) {
  return [=](Fixture& fixture, Check& check) {
    const Sizes sizes = read_sizes(fixture, kind);
    want_if_given(fixture, "reset", "n/a");
    want_if_given(fixture, "zconv", "n/a");
    check.both_paths([&](Comparison& compare, Path path) {
      Rng rng(0);
      Rnn<double> layer(
          {.input = sizes.input, .hidden = sizes.hidden, .bias = bias_of(fixture), .activation = activation},
          options_of(sizes, path), rng);
      check_layer(fixture, compare, layer, sizes);
    });
  };
}

void check_lstm(Fixture& fixture, Check& check) {
  const Sizes sizes = read_sizes(fixture, "lstm");
  want_if_given(fixture, "reset", "n/a");
  want_if_given(fixture, "zconv", "n/a");
  check.both_paths([&](Comparison& compare, Path path) {
    Rng rng(0);
    Lstm<double> layer({.input = sizes.input,
                        .hidden = sizes.hidden,
                        .projection = sizes.projection,
                        .bias = bias_of(fixture)},
                       options_of(sizes, path), rng);
    check_layer(fixture, compare, layer, sizes);
  });
}

Handler gru_handler(GruReset reset) {
  return [=](Fixture& fixture, Check& check) {
    const Sizes sizes = read_sizes(fixture, "gru");
    want_if_given(fixture, "reset", reset == GruReset::after ? "after" : "before");
    // PyTorch's GRU has one convention; the other one has two.
    const std::string convention = reset == GruReset::after ? fixture.get_or<std::string>("zconv", "keep")
                                                            : fixture.get<std::string>("zconv");
    want("zconv", convention, {"keep", "update"});
    check.both_paths([&](Comparison& compare, Path path) {
      Rng rng(0);
      Gru<double> layer({.input = sizes.input,
                         .hidden = sizes.hidden,
                         .bias = bias_of(fixture),
                         .reset = reset,
                         .update = convention == "keep" ? GruUpdate::z_keeps : GruUpdate::z_updates},
                        options_of(sizes, path), rng);
      check_layer(fixture, compare, layer, sizes);
    });
  };
}

}  // namespace

void add_recurrent_systems(Registry& registry) {
  registry["nn_rnn_tanh"] = rnn_handler("rnn_tanh", Activation::tanh());
  registry["nn_rnn_relu"] = rnn_handler("rnn_relu", Activation::relu());
  registry["nn_lstm"] = check_lstm;
  registry["nn_gru_after"] = gru_handler(GruReset::after);
  registry["nn_gru_before"] = gru_handler(GruReset::before);
}

}  // namespace unroll::oracle
