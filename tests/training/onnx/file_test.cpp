// What is in an exported file.
#include <onnx/onnx_pb.h>

#include <catch2/catch.hpp>

#include "tests/scratch.hpp"
#include "training/onnx/onnx.hpp"
#include "unroll.hpp"

using namespace unroll;

namespace {

struct TemporaryFile {
  test::ScratchFolder folder;
  std::string path = folder.file("model.onnx");
  std::string bytes() const { return test::read_bytes(path); }
};

onnx::ModelProto parse(const std::string& bytes) {
  onnx::ModelProto model;
  REQUIRE(model.ParseFromString(bytes));
  return model;
}

template <class Model>
onnx::ModelProto exported(const Model& model, const OnnxExportOptions& options = {}) {
  const TemporaryFile file;
  export_onnx(file.path, model, options);
  return parse(file.bytes());
}

const onnx::NodeProto& node_of(const onnx::ModelProto& model, const std::string& op) {
  for (const auto& node : model.graph().node()) {
    if (node.op_type() == op) return node;
  }
  FAIL("no node " << op);
  throw std::logic_error("unreachable");
}

std::vector<float> constant_of(const onnx::ModelProto& model, const std::string& name) {
  for (const auto& tensor : model.graph().initializer()) {
    if (tensor.name() != name) continue;
    std::vector<float> values(tensor.raw_data().size() / sizeof(float));
    std::memcpy(values.data(), tensor.raw_data().data(), tensor.raw_data().size());
    return values;
  }
  FAIL("no constant " << name);
  return {};
}

const onnx::AttributeProto* attribute_of(const onnx::NodeProto& node, const std::string& name) {
  for (const auto& attribute : node.attribute()) {
    if (attribute.name() == name) return &attribute;
  }
  return nullptr;
}

std::string shape_of(const onnx::ValueInfoProto& info) {
  std::string text;
  for (const auto& dim : info.type().tensor_type().shape().dim())
    text +=
        (text.empty() ? "" : ",") + (dim.has_dim_param() ? dim.dim_param() : std::to_string(dim.dim_value()));
  return text;
}

// Every element of gate g's rows becomes g + 1.
template <class S>
void number_gates(Var<S>& var, std::size_t gates) {
  const std::size_t block = var.size() / gates;
  for (std::size_t i = 0; i < var.size(); ++i) var.mutable_value().data()[i] = static_cast<S>(i / block + 1);
}

}  // namespace

TEST_CASE("an LSTM's gates i f g o are written as i o f c, its peepholes as i o f") {
  Rng rng(1);
  Lstm<float> lstm({.input = 1, .hidden = 1, .peepholes = true}, rng);
  auto& cell = lstm.cells()[0];
  for (auto* var : {&cell.weight_ih, &cell.weight_hh, &cell.bias_ih, &cell.bias_hh}) number_gates(*var, 4);
  number_gates(cell.weight_ch, 3);
  const auto model = exported(lstm);
  CHECK(constant_of(model, "l0.W") == std::vector<float>{1, 4, 2, 3});
  CHECK(constant_of(model, "l0.R") == std::vector<float>{1, 4, 2, 3});
  CHECK(constant_of(model, "l0.B") == std::vector<float>{1, 4, 2, 3, 1, 4, 2, 3});
  CHECK(constant_of(model, "l0.P") == std::vector<float>{1, 3, 2});
  CHECK(attribute_of(node_of(model, "LSTM"), "input_forget")->i() == 0);
}

TEST_CASE("a coupled LSTM has no rows for f and says so") {
  Rng rng(1);
  Lstm<float> lstm({.input = 1, .hidden = 1, .peepholes = true, .coupled = true}, rng);
  auto& cell = lstm.cells()[0];
  number_gates(cell.weight_ih, 3);
  number_gates(cell.weight_ch, 2);
  const auto model = exported(lstm);
  CHECK(constant_of(model, "l0.W") == std::vector<float>{1, 3, 0, 2});
  CHECK(constant_of(model, "l0.P") == std::vector<float>{1, 2, 0});
  CHECK(attribute_of(node_of(model, "LSTM"), "input_forget")->i() == 1);
}

TEST_CASE("a GRU's gates r z n are written as z r h, z negated where it updates") {
  for (const bool updates : {false, true}) {
    for (const bool after : {false, true}) {
      Rng rng(1);
      Gru<float> gru({.input = 1,
                      .hidden = 1,
                      .reset = after ? GruReset::after : GruReset::before,
                      .update = updates ? GruUpdate::z_updates : GruUpdate::z_keeps},
                     rng);
      auto& cell = gru.cells()[0];
      for (auto* var : {&cell.weight_ih, &cell.weight_hh, &cell.bias_ih, &cell.bias_hh})
        number_gates(*var, 3);
      const float z = updates ? -2.0F : 2.0F;
      const auto model = exported(gru);
      CHECK(constant_of(model, "l0.W") == std::vector<float>{z, 1, 3});
      CHECK(constant_of(model, "l0.R") == std::vector<float>{z, 1, 3});
      CHECK(constant_of(model, "l0.B") == std::vector<float>{z, 1, 3, z, 1, 3});
      CHECK(attribute_of(node_of(model, "GRU"), "linear_before_reset")->i() == (after ? 1 : 0));
    }
  }
}

TEST_CASE("both directions of a layer are one node, its axes of time and batch are open") {
  Rng rng(1);
  const Gru<float> gru({.input = 3, .hidden = 4}, {.layers = 2, .bidirectional = true}, rng);
  const auto model = exported(gru, {.lengths = "lengths", .states = OnnxStates::inputs});
  int nodes = 0;
  for (const auto& node : model.graph().node()) nodes += node.op_type() == "GRU";
  CHECK(nodes == 2);
  CHECK(attribute_of(node_of(model, "GRU"), "direction")->s() == "bidirectional");
  REQUIRE(model.graph().input_size() == 6);
  CHECK(shape_of(model.graph().input(0)) == "time,batch,3");
  CHECK(model.graph().input(1).name() == "lengths");
  CHECK(shape_of(model.graph().input(1)) == "batch");
  CHECK(model.graph().input(3).name() == "h0_l0_reverse");
  CHECK(shape_of(model.graph().input(3)) == "batch,4");
  REQUIRE(model.graph().output_size() == 5);
  CHECK(shape_of(model.graph().output(0)) == "time,batch,8");
  CHECK(model.graph().output(4).name() == "hn_l1_reverse");
}

TEST_CASE("a file says who made it, what it is and what its inputs are") {
  Rng rng(1);
  const Rnn<float> rnn({.input = 3, .hidden = 4}, {.batch_first = true}, rng);
  const auto model = exported(rnn, {.opset = 16,
                                    .input = "samples",
                                    .output = "features",
                                    .states = OnnxStates::optional_inputs,
                                    .name = "ear",
                                    .doc = "listens",
                                    .metadata = {{"rate", "48000"}, {"language", "nl"}}});
  CHECK(model.producer_name() == "Unroll");
  CHECK_FALSE(model.producer_version().empty());
  CHECK(model.opset_import(0).version() == 16);
  CHECK(model.ir_version() == 8);
  CHECK(model.doc_string() == "listens");
  CHECK(model.graph().name() == "ear");
  REQUIRE(model.metadata_props_size() == 2);
  CHECK(model.metadata_props(1).key() == "rate");
  CHECK(model.metadata_props(1).value() == "48000");
  CHECK(model.graph().input(0).name() == "samples");
  CHECK(shape_of(model.graph().input(0)) == "batch,time,3");
  CHECK(model.graph().output(0).name() == "features");
  CHECK(shape_of(model.graph().output(0)) == "batch,time,4");
  CHECK(model.graph().input(1).name() == "h0_l0");
  CHECK(shape_of(model.graph().input(1)) == "batch_or_1,4");
  CHECK(model.graph().input(1).doc_string() == "initial h, one row for each sequence");
  CHECK(constant_of(model, "h0_l0") == std::vector<float>(4, 0.0F));
}

TEST_CASE("an export is of evaluation, training or not, and the same bytes each time") {
  Rng rng(1);
  Sequential model(
      Linear<float>(3, 4, rng), Dropout<float>(0.5, rng),
      [](const auto& x) {
        return reshape(x, {-1, 1, 4});
      },
      Lstm<float>({.input = 4, .hidden = 5}, {.layers = 2, .dropout = 0.5, .recurrent_dropout = 0.5}, rng));
  const TemporaryFile file;
  export_onnx(file.path, model);
  const std::string training = file.bytes();
  set_training(model, false);
  export_onnx(file.path, model);
  CHECK(file.bytes() == training);
}

TEST_CASE("what no output needs is not in the file") {
  Rng rng(1);
  OnnxGraph graph;
  const OnnxValue x = graph.input("x", OnnxType::float32, {"time", "batch", 3});
  const Lstm<float> lstm({.input = 3, .hidden = 4}, rng);
  const auto result = to_onnx("encoder", lstm, x);
  to_onnx("unused", Linear<float>(4, 2, rng), result.output);
  graph.output("final", last(result));
  const auto model = parse(graph.serialize());
  CHECK(model.graph().node_size() == 3);  // LSTM, the choice of its direction, and the output's name
  CHECK(node_of(model, "LSTM").output(0).empty());
  CHECK(node_of(model, "LSTM").output_size() == 2);
  for (const auto& constant : model.graph().initializer())
    CHECK(constant.name().find("unused") == std::string::npos);
}

TEST_CASE("an output may be called as something inside the model, and one value may be two outputs") {
  OnnxGraph graph;
  const OnnxValue x = graph.input("x", OnnxType::float32, {"n", 2});
  const OnnxValue y = tanh(x);
  REQUIRE(y.name() == "Tanh");
  graph.output("Tanh", y * 2.0);
  graph.output("copy", x);
  graph.output("again", x);
  const auto model = parse(graph.serialize());
  CHECK(node_of(model, "Tanh").output(0) == "Tanh_");
  CHECK(node_of(model, "Mul").input(0) == "Tanh_");
  CHECK(model.graph().output_size() == 3);
}

TEST_CASE("what the recurrent operators have not is a Scan, float or double") {
  Rng rng(1);
  const auto has = [](const onnx::ModelProto& model, const std::string& op) {
    for (const auto& node : model.graph().node()) {
      if (node.op_type() == op) return true;
    }
    return false;
  };
  CHECK(has(exported(Lstm<float>({.input = 3, .hidden = 4}, rng)), "LSTM"));
  CHECK(has(exported(Lstm<float>({.input = 3, .hidden = 4, .projection = 2}, rng)), "Scan"));
  CHECK(has(exported(Lstm<float>({.input = 3, .hidden = 4, .layer_norm = true}, rng)), "Scan"));
  CHECK(has(exported(Gru<double>({.input = 3, .hidden = 4}, rng)), "Scan"));
  CHECK(has(exported(Rnn<float>({.input = 3, .hidden = 4}, {.zoneout_hidden = 0.1}, rng)), "Scan"));
  CHECK(has(exported(Rnn<float>({.input = 3, .hidden = 4, .activation = Activation::gelu()}, rng)), "Scan"));
  CHECK(has(exported(Rnn<float>({.input = 3, .hidden = 4, .activation = Activation::elu(0.5)}, rng)), "RNN"));
}

TEST_CASE("LayerNorm is one operator from opset 17 on") {
  const LayerNorm<float> norm(4);
  CHECK(node_of(exported(norm, {.opset = 17}), "LayerNormalization").input_size() == 3);
  CHECK(node_of(exported(norm, {.opset = 16}), "ReduceMean").input_size() == 1);
}
