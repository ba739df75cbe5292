// What cannot be exported is refused by name, and a refusal leaves the old file as it was.
#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>

#include "framework/errors.hpp"
#include "tests/layers/minimal_gated_unit.hpp"
#include "tests/scratch.hpp"
#include "training/onnx/onnx.hpp"
#include "unroll.hpp"

namespace own {

// A layer of a user's own that says what it is to ONNX.
template <class S>
struct Doubled {
  unroll::Var<S> scale = unroll::parameter(unroll::full<S>({2}, S(2)), "scale");
  unroll::Var<S> operator()(const unroll::Var<S>& x) const { return x * scale; }
  static void each(auto& self, auto&& visit) { visit("scale", self.scale); }
};
template <class S>
unroll::OnnxValue to_onnx(const std::string& name, const Doubled<S>& layer, const unroll::OnnxValue& x) {
  return x * x.graph().constant(name + ".scale", layer.scale.value());
}

// And one that does not.
template <class S>
struct Silent {
  static constexpr const char* kName = "Silent";
  unroll::Var<S> operator()(const unroll::Var<S>& x) const { return x; }
  static void each(auto&, auto&&) {}
};

}  // namespace own

using namespace unroll;
using Catch::Matchers::Contains;
using Catch::Matchers::Equals;

namespace {

// In a folder that is this process's and goes away with it.
std::string path() {
  static const test::ScratchFolder folder;
  return folder.file("model.onnx");
}

template <class Exception = ArgumentError, class Model>
void refused(const Model& model, const std::string& message, const OnnxExportOptions& options = {}) {
  INFO(message);
  std::filesystem::remove(path());
  CHECK_THROWS_MATCHES(export_onnx(path(), model, options), Exception, Catch::Matchers::Message(message));
  CHECK_FALSE(std::filesystem::exists(path()));
}

}  // namespace

TEST_CASE("a step or function that is no program is refused by the name of its layer, with the reason") {
  Rng rng(1);
  const Activation reads("reads", [](const auto& x) {
    x.value();
    return tanh(x);
  });
  const std::string reason = "step() reads or changes a value, or has a hook";
  const std::string rest = " step: expected one that is a program, got one that is not: " + reason +
                           " (define to_onnx(name, layer, x) for it)";
  refused(Sequential(Rnn<float>({.input = 2, .hidden = 3, .activation = reads}, rng)),
          "[export_onnx] layer '0' (Rnn)" + rest);
  refused(Sequential(Lstm<float>({.input = 2, .hidden = 3, .output_activation = reads}, rng)),
          "[export_onnx] layer '0' (Lstm)" + rest);
  refused(Sequential(Dropout<float>(0.5, rng),
                     Sequential(Gru<float>({.input = 2, .hidden = 3, .gate_activation = reads}, rng))),
          "[export_onnx] layer '1.0' (Gru)" + rest);
  refused(
      Sequential(Linear<float>(2, 3, rng), reads),
      "[export_onnx] layer '1' (Activation) function: expected a function of ops, got 'reads': " + reason);
}

TEST_CASE("an activation is known by what it computes, whatever its name") {
  Rng rng(1);
  CHECK(detail::onnx_activation(Activation("elu(0.5)", [](const auto& x) { return tanh(x); }))->op == "Tanh");
  CHECK(detail::onnx_activation(Activation("mine", [](const auto& x) { return elu(x, 0.5); }))->alpha ==
        std::vector<double>{0.5});
  CHECK(detail::onnx_activation(Activation::leaky_relu(0.2))->alpha == std::vector<double>{0.2});
  CHECK(detail::onnx_activation(Activation::identity())->op == "Affine");
  CHECK_FALSE(detail::onnx_activation(Activation::gelu()));
  CHECK_FALSE(detail::onnx_activation(Activation("twice", [](const auto& x) { return tanh(tanh(x)); })));
}

TEST_CASE("a layer without cells is refused by name") {
  OnnxGraph graph;
  const OnnxValue x = graph.input("x", OnnxType::float32, {"time", "batch", 2});
  CHECK_THROWS_WITH(to_onnx("encoder", Gru<float>(), x),
                    "[export_onnx] layer 'encoder' (Gru): expected one with cells, got an empty one");
}

TEST_CASE("a layer of one's own takes part by a to_onnx beside it, and is refused by name without") {
  Rng rng(1);
  export_onnx(path(), Sequential(Linear<float>(3, 2, rng), own::Doubled<float>()));
  CHECK(std::filesystem::remove(path()));
  refused(Sequential(Linear<float>(3, 2, rng), own::Silent<float>()),
          "[export_onnx] layer '1' (Silent): expected one of the library's layers on a value that it "
          "accepts, got one that ONNX does not know (define to_onnx(name, layer, x) for it)");
  refused(Sequential(Linear<float>(3, 2, rng), [](const Var<float>& x) { return tanh(x); }),
          "[export_onnx] layer '1' (a function) input: expected any type, got one that takes only Vars, or "
          "not what the layer before returns (write it [](const auto& x) { ... })");
}

TEST_CASE("layers that do not fit are refused by name") {
  Rng rng(1);
  refused<ShapeError>(Sequential(Linear<float>(3, 2, rng), Linear<float>(4, 2, rng)),
                      "[export_onnx] layer '1' (Linear) input: expected (n,...,4), got (batch,2)");
  refused<ShapeError>(Sequential(Linear<float>(3, 2, rng), LayerNorm<float>(4)),
                      "[export_onnx] layer '1' (LayerNorm) input: expected (...,4), got (batch,2)");
  refused<ShapeError>(Sequential(Linear<float>(3, 2, rng), Gru<float>({.input = 2, .hidden = 3}, rng)),
                      "[export_onnx] layer '1' (Gru) input: expected (time,batch,2) of the layer's scalar "
                      "type, got (batch,2)");
  refused(Sequential(Linear<float>(3, 2, rng), Linear<double>(2, 2, rng)),
          "[export_onnx] layer '1' (Linear) input: expected the layer's scalar type, got another");
  refused(Sequential(Linear<float>(3, 2, rng), Embedding<float>(5, 2, rng)),
          "[export_onnx] layer '1' (Embedding) input: expected ids of int64, got another type");
}

TEST_CASE("options that do not fit the model are refused") {
  Rng rng(1);
  refused(Linear<float>(3, 2, rng),
          "[OnnxGraph] opset: expected 14..17 (the newest of the installed onnx library), got 13",
          {.opset = 13});
  CHECK_THROWS_WITH(export_onnx(path(), Linear<float>(3, 2, rng), {.opset = 18}), Contains("got 18"));
  refused([](const auto& x) { return tanh(x); },
          "[export_onnx] input_shape: expected the shape of 'x', as the first layer of the model does not "
          "give it, got none (for example .input_shape = {\"time\", \"batch\", 8})");
  refused(Linear<float>(3, 2, rng),
          "[export_onnx] lengths 'n': expected a model with a recurrent layer, got one without",
          {.lengths = "n"});
  refused(Linear<float>(3, 2, rng),
          "[OnnxGraph.output] name: expected one that no input or output has, got 'x'", {.output = "x"});
  refused(Linear<float>(3, 2, rng), "[OnnxGraph.input] name: expected one that is not taken, got ''",
          {.input = ""});
}

TEST_CASE("states and lengths of another shape are refused by name") {
  Rng rng(1);
  const Lstm<float> lstm({.input = 2, .hidden = 3}, {.bidirectional = true}, rng);
  OnnxGraph graph;
  const OnnxValue x = graph.input("x", OnnxType::float32, {"time", "batch", 2});
  const OnnxValue h = graph.input("h", OnnxType::float32, {"batch", 3});
  const OnnxValue wide = graph.input("wide", OnnxType::float32, {"batch", 4});
  CHECK_THROWS_WITH(
      to_onnx("encoder", lstm, x, {.states = {{h, {h}}}}),
      "[export_onnx] layer 'encoder' (Lstm) states: expected 2 (one for each layer and direction), got 1");
  CHECK_THROWS_WITH(to_onnx("encoder", lstm, x, {.states = {{h, {h}}, {h, {wide}}}}),
                    "[export_onnx] layer 'encoder' (Lstm) states[1].c: expected ((batch),3), got (batch,4)");
  CHECK_THROWS_WITH(to_onnx("encoder", lstm, x, {.states = {{h, {h}}, {h, {}}}}),
                    Contains("states[1].c: expected") && Contains("got none"));
  CHECK_THROWS_WITH(to_onnx("encoder", lstm, x, {.lengths = h}),
                    "[export_onnx] layer 'encoder' (Lstm) lengths: expected (batch) of int32, got (batch,3)");
}

TEST_CASE("a graph refuses what onnx's checker refuses, in its words, and leaves the old file alone") {
  std::ofstream(path()) << "old";
  OnnxGraph graph;
  const OnnxValue x = graph.input("x", OnnxType::float32, {"n", 2});
  CHECK_THROWS_WITH(graph.save(path()), "[OnnxGraph.save] outputs: expected at least one, got none");
  SECTION("an operator that there is not") {
    graph.output("y", graph.node({"Tangent", {x}}, OnnxType::float32, {"n", 2}));
    CHECK_THROWS_WITH(
        graph.save(path()),
        Contains("[OnnxGraph.save] model: expected one that onnx's checker accepts") && Contains("Tangent"));
  }
  SECTION("an attribute that it has not") {
    graph.output("y", graph.node({"Tanh", {x}, {{"axis", Index{1}}}}, OnnxType::float32, {"n", 2}));
    CHECK_THROWS_WITH(graph.save(path()), Contains("axis"));
  }
  SECTION("a shape that is not inferred") {
    graph.output("y", graph.node({"Tanh", {x}}, OnnxType::float32, {"n", 3}));
    CHECK_THROWS_AS(graph.save(path()), ArgumentError);
  }
  SECTION("a type that is not inferred") {
    graph.output("y", graph.node({"Tanh", {x}}, OnnxType::float64, {"n", 2}));
    CHECK_THROWS_AS(graph.save(path()), ArgumentError);
  }
  std::ifstream in(path());
  std::string text;
  in >> text;
  CHECK(text == "old");
  std::filesystem::remove(path());
}

TEST_CASE("values of two graphs do not mix") {
  OnnxGraph one, other;
  const OnnxValue x = one.input("x", OnnxType::float32, {2}), y = other.input("y", OnnxType::float32, {2});
  CHECK_THROWS_WITH(x + y,
                    "[OnnxGraph.node] inputs of 'Add': expected values of this graph, got 'y' of another");
  CHECK_THROWS_WITH(one.output("y", y),
                    "[OnnxGraph.output] 'y': expected a value of this graph, got one of another");
  CHECK_THROWS_AS(tanh(OnnxValue()), ArgumentError);
  CHECK_THROWS_AS(x + OnnxValue(), ArgumentError);
  CHECK_THROWS_AS(one.input("x", OnnxType::float32, {2}), ArgumentError);
}

TEST_CASE("ops refuse shapes that do not fit") {
  OnnxGraph graph;
  const OnnxValue x = graph.input("x", OnnxType::float32, {"batch", 3, 4});
  const OnnxValue y = graph.input("y", OnnxType::float32, {"time", 3, 4});
  const OnnxValue z = graph.input("z", OnnxType::float64, {"batch", 3, 4});
  CHECK_THROWS_WITH(x + y, "[Add] shapes: expected ones that broadcast, got (batch,3,4) and (time,3,4)");
  CHECK_THROWS_AS(x + z, ArgumentError);
  CHECK_THROWS_AS(matmul(x, x), ShapeError);
  CHECK_THROWS_AS(concat({x, y}, 1), ShapeError);
  CHECK_THROWS_AS(concat({}, 1), ArgumentError);
  CHECK_THROWS_AS(permute(x, {0, 1, 1}), ShapeError);
  CHECK_THROWS_AS(permute(x, {0, 1}), ShapeError);
  CHECK_THROWS_AS(transpose(x, 0, 3), ShapeError);
  CHECK_THROWS_AS(squeeze(x, {1}), ShapeError);
  CHECK_THROWS_AS(reshape(x, {-1, -1}), ShapeError);
  CHECK_THROWS_AS(reshape(graph.input("w", OnnxType::float32, {3, 4}), {5, -1}), ShapeError);
  CHECK_THROWS_AS(select(x, 1, 3), ShapeError);
  CHECK_THROWS_AS(slice(x, 1, {0, 2, 0}), ArgumentError);
  CHECK_THROWS_AS(clamp(x, 1.0, 0.0), ArgumentError);
  CHECK_THROWS_AS(softmax(x, 3), ShapeError);
  CHECK_THROWS_AS(where(x, x, x), ArgumentError);
}
