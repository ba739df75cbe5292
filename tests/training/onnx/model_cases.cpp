// Whole models: Sequentials as users write them, and graphs of one's own.
#include "cases.hpp"
#include "tests/layers/minimal_gated_unit.hpp"

using namespace unroll;

namespace {

IndexTensor some_ids(const Shape& shape, Index vocabulary, Rng& rng) {
  IndexTensor ids(shape);
  for (std::size_t i = 0; i < ids.size(); ++i)
    ids.data()[i] = static_cast<std::int64_t>(rng.below(vocabulary));
  return ids;
}

template <class Model>
Run ids_run(const Model& model, const Shape& shape, Rng& rng) {
  const IndexTensor ids = some_ids(shape, 11, rng);
  Run run;
  run.inputs["x"] = to_json(ids);
  run.outputs["y"] = to_json(model(ids));
  return run;
}

template <class S, class Model>
Run run_of(const Model& model, const Shape& shape, Rng& rng) {
  const Var<S> x(random_normal<S>(shape, 0.5, 2.0, rng));
  Run run;
  run.inputs["x"] = to_json(x);
  run.outputs["y"] = to_json(model(x));
  return run;
}

// A model of one's own, exported through a graph.
struct Tagger {
  Embedding<float> embed;
  Gru<float> encoder;
  Linear<float> head;
  using Scalar = float;
  static void each(auto& self, auto&& visit) {
    visit("embed", self.embed);
    visit("encoder", self.encoder);
    visit("head", self.head);
  }
};

void add_tagger(Cases& cases) {
  Rng rng(5);
  const Tagger model{
      {11, 4, rng}, {{.input = 4, .hidden = 5}, {.layers = 2, .bidirectional = true}, rng}, {10, 3, rng}};
  OnnxGraph graph({.name = "tagger", .doc = "tags words", .metadata = {{"tags", "a b c"}}});
  const OnnxValue ids = graph.input("ids", OnnxType::int64, {"time", "batch"});
  const OnnxValue lengths = graph.input("lengths", OnnxType::int32, {"batch"});
  const auto states =
      to_onnx("encoder", model.encoder, to_onnx("embed", model.embed, ids), {.lengths = lengths});
  graph.output("tags", softmax(to_onnx("head", model.head, states.output)));
  graph.output("sentence", last(states));
  graph.save(cases.path("own_graph"));
  std::vector<Run> runs;
  for (const auto& [T, B] : {std::pair<std::size_t, std::size_t>{4, 3}, {7, 2}}) {
    const IndexTensor x = some_ids({T, B}, 11, rng);
    const std::vector<Index> lengths_given = B == 3 ? std::vector<Index>{2, 4, 1} : std::vector<Index>{7, 3};
    const auto result = model.encoder(model.embed(x), {.lengths = lengths_given});
    Run run;
    run.inputs = {{"ids", to_json(x)}, {"lengths", lengths_to_json(lengths_given)}};
    run.outputs = {{"tags", to_json(softmax(model.head(result.output)))},
                   {"sentence", to_json(last(result))}};
    runs.push_back(run);
  }
  cases.add("own_graph", runs);
}

void add_own_scan(Cases& cases) {
  Rng rng(5);
  const Recurrent<test::MinimalGatedUnit<float>> layer({.input = 3, .hidden = 4}, rng);
  const auto& cell = layer.cells()[0];
  OnnxGraph graph;
  const OnnxValue x = graph.input("x", OnnxType::float32, {"time", "batch", 3});
  const OnnxValue zero = graph.constant("h0", zeros<float>({1, 4}));
  // Its step once more, on values of the graph; to_onnx(layer) traces it.
  const auto step = [&](const OnnxValue& x_t, const OnnxState& state) -> OnnxState {
    const OnnxValue f = sigmoid(to_onnx("forget", cell.forget, concat({x_t, state.h}, 1)));
    const OnnxValue n = tanh(to_onnx("candidate", cell.candidate, concat({x_t, f * state.h}, 1)));
    return {(1.0 - f) * state.h + f * n, {}};
  };
  const auto result =
      scan("own", x, {zero, {}}, step, {.lengths = graph.input("lengths", OnnxType::int64, {"batch"})});
  graph.output("y", result.output);
  graph.output("last", last(result));
  graph.save(cases.path("own_scan"));
  const Var<float> input(random_normal<float>({5, 3, 3}, 0.0, 1.0, rng));
  const auto want = layer(input, {.lengths = {2, 5, 0}});
  IndexTensor lengths = from_values<std::int64_t>({3}, {2, 5, 0});
  Run run;
  run.inputs = {{"x", to_json(input)}, {"lengths", to_json(lengths)}};
  run.outputs = {{"y", to_json(want.output)}, {"last", to_json(last(want))}};
  cases.add("own_scan", {run});
}

template <class S>
void add_mlp(Cases& cases, const std::string& name, int opset) {
  Rng rng(7);
  LayerNorm<S> norm(6), plain(4, {.eps = 1e-3, .affine = false});
  for (Var<S>* var : {&norm.weight, &norm.bias}) var->mutable_value() = random_normal<S>({6}, 0.5, 1.0, rng);
  Sequential model(Linear<S>(3, 6, rng), Activation::tanh(), std::move(norm), Dropout<S>(0.5, rng),
                   Linear<S>(6, 4, rng, {.bias = false}), std::move(plain),
                   [](const auto& x) { return log_softmax(relu(x) - 0.25 * x); });
  set_training(model, false);
  export_onnx(cases.path(name), model, {.opset = opset});
  cases.add(name, {run_of<S>(model, {5, 3}, rng), run_of<S>(model, {1, 3}, rng)});
}

}  // namespace

void write_model_cases(Cases& cases) {
  add_tagger(cases);
  add_own_scan(cases);
  add_mlp<float>(cases, "mlp_opset_14", 14);
  add_mlp<float>(cases, "mlp_opset_17", 17);
  add_mlp<double>(cases, "mlp_double", 17);

  Rng rng(3);
  {
    Sequential model(
        Embedding<float>(11, 4, rng), Lstm<float>({.input = 4, .hidden = 6}, {.layers = 2}, rng),
        [](const auto& r) { return last(r); }, Dropout<float>(0.3, rng), Linear<float>(6, 3, rng),
        [](const auto& x) { return log_softmax(x); });
    set_training(model, false);
    export_onnx(cases.path("classifier"), model);
    cases.add("classifier", {ids_run(model, {6, 3}, rng), ids_run(model, {2, 5}, rng)});
  }
  {
    Sequential model(
        Embedding<float>(11, 4, rng),
        Sequential(Gru<float>({.input = 4, .hidden = 6}, {.bidirectional = true, .batch_first = true}, rng),
                   [](const auto& r) { return r.output; }),
        LayerNorm<float>(12), Rnn<float>({.input = 12, .hidden = 5}, {.batch_first = true}, rng),
        [](const auto& r) { return r.output; }, Linear<float>(5, 3, rng),
        [](const auto& x) { return softmax(x); });
    export_onnx(cases.path("tagger_batch_first"), model, {.opset = 16});
    cases.add("tagger_batch_first", {ids_run(model, {6, 3}, rng), ids_run(model, {2, 5}, rng)});
  }
  {
    // Numbers for axes: a model that is not to be run otherwise.
    Sequential model(
        [](const auto& x) {
          return reshape(x, {2, 5, 3});
        },
        Lstm<float>({.input = 3, .hidden = 4}, rng), [](const auto& r) { return last(r); });
    export_onnx(cases.path("fixed_axes"), model, {.input_shape = {10, 3}});
    cases.add("fixed_axes", {run_of<float>(model, {10, 3}, rng)});
  }
}
