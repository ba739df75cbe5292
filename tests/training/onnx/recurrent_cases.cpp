// Every variant of every cell, each in several shapes of layer.
#include <onnx/onnx_pb.h>

#include <fstream>
#include <set>

#include "cases.hpp"
#include "examples/gallery/indrnn.hpp"
#include "examples/gallery/mingru.hpp"
#include "examples/gallery/slstm.hpp"
#include "examples/gallery/sru.hpp"
#include "tests/layers/minimal_gated_unit.hpp"

using namespace unroll;

namespace {

// How a layer is built and called.
struct Setting {
  const char* name;
  RecurrentOptions options;
  bool lengths;
  OnnxStates states;
  bool give_states;  // an optional one is left out otherwise
  int opset;
};

const std::vector<Setting>& shapes() {
  static const std::vector<Setting> list{
      {"plain", {}, false, OnnxStates::inside, false, 14},
      {"deep_both_ragged_given", {.layers = 2, .bidirectional = true}, true, OnnxStates::inputs, true, 14},
      {"widths_learned_batch_first",
       {.widths = {5, 6, 5}, .batch_first = true, .dropout = 0.5, .learn_initial_states = true},
       true,
       OnnxStates::inside,
       false,
       15},
      {"both_learned_ragged",
       {.bidirectional = true, .recurrent_dropout = 0.5, .learn_initial_states = true},
       true,
       OnnxStates::optional_inputs,
       false,
       17},
      {"zoneout_both_ragged_given",
       {.layers = 2, .bidirectional = true, .zoneout_hidden = 0.3},
       true,
       OnnxStates::inputs,
       true,
       14},
  };
  return list;
}

// Some of full length, some short, some empty.
std::vector<Index> some_lengths(std::size_t T, std::size_t B, Rng& rng) {
  std::vector<Index> lengths;
  for (std::size_t b = 0; b < B; ++b)
    lengths.push_back(static_cast<Index>(rng.below(static_cast<Index>(T + 1))));
  lengths[B / 2] = static_cast<Index>(T);
  if (B > 3) lengths[1] = 0;
  return lengths;
}

// The model without the values of its optional inputs.
void require_optional_inputs(const std::string& from, const std::string& to) {
  onnx::ModelProto model;
  std::ifstream in(from, std::ios::binary);
  if (!model.ParseFromIstream(&in)) throw std::runtime_error("cannot read " + from);
  std::set<std::string> inputs;
  for (const auto& input : model.graph().input()) inputs.insert(input.name());
  auto& constants = *model.mutable_graph()->mutable_initializer();
  for (int i = constants.size() - 1; i >= 0; --i) {
    if (inputs.contains(constants[i].name())) constants.DeleteSubrange(i, 1);
  }
  std::ofstream out(to, std::ios::binary);
  if (!model.SerializeToOstream(&out)) throw std::runtime_error("cannot write " + to);
}

template <class Layer>
Run run_layer(Layer& layer, const Setting& shape, std::size_t T, std::size_t B, Rng& rng) {
  using S = scalar_t<Layer>;
  using V = Var<S>;
  const bool batch_first = layer.options().batch_first;
  Tensor<S> x = random_normal<S>({T, B, layer.input_size()}, 0.0, 1.0, rng);
  typename Layer::Inputs given;
  Run run;
  if (shape.lengths) {
    given.lengths = some_lengths(T, B, rng);
    for (std::size_t b = 0; b < B; ++b) {
      for (auto t = static_cast<std::size_t>(given.lengths[b]); t < T; ++t) {
        for (std::size_t i = 0; i < layer.input_size(); ++i) x(t, b, i) = S(50);
      }
    }
    run.inputs["lengths"] = lengths_to_json(given.lengths);
  }
  const V input = batch_first ? transpose(V(x), 0, 1) : V(x);
  run.inputs["x"] = to_json(input);
  const auto state_name = [&](const std::string& part, char when, std::size_t k) {
    return part + when + "_l" + std::to_string(k / layer.directions()) +
           (k % layer.directions() == 1 ? "_reverse" : "");
  };
  if (shape.give_states) {
    for (std::size_t k = 0; k < layer.cells().size(); ++k) {
      auto state = zero_state(layer.cells()[k], B);
      for_each_named_in_state(state, [&](const std::string& part, V& var) {
        var = V(random_normal<S>(var.shape(), 0.0, 0.5, rng));
        run.inputs[state_name(part, '0', k)] = to_json(var);
      });
      given.states.push_back(state);
    }
  }
  const auto result = layer(input, given);
  run.outputs["y"] = to_json(result.output);
  for (std::size_t k = 0; k < result.states.size(); ++k) {
    for_each_named_in_state(result.states[k], [&](const std::string& part, const V& var) {
      run.outputs[state_name(part, 'n', k)] = to_json(var);
    });
  }
  return run;
}

template <class Layer, class Options>
void add_layer(Cases& cases, const std::string& name, Options options, const std::vector<int>& only = {}) {
  options.input = 4;
  options.hidden = 5;
  for (std::size_t i = 0; i < shapes().size(); ++i) {
    if (!only.empty() && std::find(only.begin(), only.end(), static_cast<int>(i)) == only.end()) continue;
    const Setting& shape = shapes()[i];
    Rng rng(17 + i);
    Layer layer(options, shape.options, rng);
    set_training(layer, false);
    // Learned states begin as zeros, in which a mistake would not be seen. With gains of layer_norm around 1
    // rounding grows from step to step: smaller ones compare more digits.
    for_each_parameter(layer, [&](const std::string& parameter, auto& var) {
      using S = scalar_t<Layer>;
      if (parameter[1] == '0' || parameter.starts_with("norm")) {
        for (std::size_t n = 0; n < var.size(); ++n)
          var.mutable_value().data()[n] += static_cast<S>(rng.uniform() - (parameter[0] == 'n' ? 1.2 : 0.4));
      }
    });
    const std::string full = name + "_" + shape.name;
    export_onnx(cases.path(full), layer,
                {.opset = shape.opset, .lengths = shape.lengths ? "lengths" : "", .states = shape.states});
    // Other sizes than one another: both axes are open.
    const auto runs = [&](const Setting& how) {
      return std::vector{run_layer(layer, how, 6, 5, rng), run_layer(layer, how, 3, 2, rng),
                         run_layer(layer, how, 1, 1, rng), run_layer(layer, how, 9, 4, rng)};
    };
    cases.add(full, runs(shape));
    if (shape.states != OnnxStates::optional_inputs) continue;
    // onnxruntime-web takes no input that has a default: the same model with the defaults removed.
    require_optional_inputs(cases.path(full), cases.path(full + "_given"));
    Setting given = shape;
    given.give_states = true;
    cases.add(full + "_given", runs(given));
  }
}

}  // namespace

void write_recurrent_cases(Cases& cases) {
  using Act = Activation;
  add_layer<Rnn<float>>(cases, "rnn_tanh", RnnOptions{});
  add_layer<Rnn<float>>(cases, "rnn_relu_single_bias",
                        RnnOptions{.bias = Bias::single, .activation = Act::relu()});
  add_layer<Rnn<float>>(cases, "rnn_no_bias", RnnOptions{.bias = Bias::none}, {1});
  add_layer<Rnn<float>>(cases, "rnn_identity", RnnOptions{.activation = Act::identity()}, {1});
  add_layer<Rnn<float>>(cases, "rnn_sigmoid", RnnOptions{.activation = Act::sigmoid()}, {1});
  add_layer<Rnn<float>>(cases, "rnn_softplus", RnnOptions{.activation = Act::softplus()}, {1});
  add_layer<Rnn<float>>(cases, "rnn_hard_sigmoid", RnnOptions{.activation = Act::hard_sigmoid()}, {1});
  add_layer<Rnn<float>>(cases, "rnn_leaky_relu", RnnOptions{.activation = Act::leaky_relu(0.2)}, {1});
  add_layer<Rnn<float>>(cases, "rnn_elu", RnnOptions{.activation = Act::elu(0.7)}, {1});
  add_layer<Rnn<float>>(cases, "rnn_gelu", RnnOptions{.activation = Act::gelu()}, {0, 1});
  add_layer<Rnn<double>>(cases, "rnn_double", RnnOptions{});

  add_layer<Lstm<float>>(cases, "lstm", LstmOptions{});
  add_layer<Lstm<float>>(cases, "lstm_single_bias", LstmOptions{.bias = Bias::single}, {1});
  add_layer<Lstm<float>>(cases, "lstm_no_bias", LstmOptions{.bias = Bias::none}, {1});
  add_layer<Lstm<float>>(cases, "lstm_peepholes", LstmOptions{.peepholes = true});
  add_layer<Lstm<float>>(cases, "lstm_coupled", LstmOptions{.coupled = true});
  add_layer<Lstm<float>>(cases, "lstm_peepholes_coupled", LstmOptions{.peepholes = true, .coupled = true});
  add_layer<Lstm<float>>(cases, "lstm_activations",
                         LstmOptions{.gate_activation = Act::hard_sigmoid(),
                                     .activation = Act::leaky_relu(0.1),
                                     .output_activation = Act::elu(0.5)},
                         {0, 1, 3});
  add_layer<Lstm<float>>(cases, "lstm_projection", LstmOptions{.projection = 3});
  add_layer<Lstm<float>>(cases, "lstm_layer_norm", LstmOptions{.layer_norm = true});
  add_layer<Lstm<float>>(
      cases, "lstm_everything",
      LstmOptions{.projection = 3, .peepholes = true, .layer_norm = true, .coupled = true});
  add_layer<Lstm<double>>(cases, "lstm_double",
                          LstmOptions{.projection = 3, .peepholes = true, .layer_norm = true});

  const Activation softsign("softsign", [](const auto& x) { return x / (1.0 + abs(x)); });
  add_layer<Rnn<float>>(cases, "rnn_softsign", RnnOptions{.activation = softsign}, {1});
  add_layer<Gru<double>>(cases, "gru_softsign", GruOptions{.activation = softsign}, {1});
  add_layer<Mgu<float>>(cases, "mgu", MguOptions{});
  add_layer<Recurrent<test::MinimalGatedUnit<float>>>(cases, "own_cell", CellSizes{});
  add_layer<Recurrent<test::MinimalGatedUnit<double>>>(cases, "own_cell_double", CellSizes{}, {1, 2});
  add_layer<Recurrent<gallery::MinGruCell<float>>>(cases, "mingru", gallery::MinGruOptions{});
  add_layer<Recurrent<gallery::IndRnnCell<float>>>(cases, "indrnn", gallery::IndRnnOptions{});
  add_layer<Recurrent<gallery::SruCell<float>>>(cases, "sru", gallery::SruOptions{});
  // Beyond JSON: the last m of an empty sequence is -infinity.
  add_layer<Recurrent<gallery::SlstmCell<float>>>(cases, "slstm", gallery::SlstmOptions{}, {0, 1, 4});

  for (const GruReset reset : {GruReset::after, GruReset::before}) {
    for (const GruUpdate update : {GruUpdate::z_keeps, GruUpdate::z_updates}) {
      const std::string name = std::string("gru_") + (reset == GruReset::after ? "after" : "before") +
                               (update == GruUpdate::z_keeps ? "_keeps" : "_updates");
      add_layer<Gru<float>>(cases, name, GruOptions{.reset = reset, .update = update});
      add_layer<Gru<float>>(cases, name + "_single_bias",
                            GruOptions{.bias = Bias::single, .reset = reset, .update = update}, {1});
      add_layer<Gru<float>>(cases, name + "_no_bias",
                            GruOptions{.bias = Bias::none, .reset = reset, .update = update}, {1});
      add_layer<Gru<float>>(cases, name + "_activations",
                            GruOptions{.reset = reset,
                                       .update = update,
                                       .gate_activation = Act::hard_sigmoid(),
                                       .activation = Act::leaky_relu(0.1)},
                            {0, 1});
      add_layer<Gru<float>>(cases, name + "_relu_gate",
                            GruOptions{.reset = reset, .update = update, .gate_activation = Act::relu()},
                            {1});
      add_layer<Gru<double>>(cases, name + "_double", GruOptions{.reset = reset, .update = update}, {1, 4});
    }
  }
}
