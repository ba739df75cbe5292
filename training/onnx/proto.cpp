// From a graph to the bytes of a file, by the protobuf classes and the checker of the onnx library.
#include <fmt/format.h>
#include <onnx/checker.h>
#include <onnx/defs/schema.h>
#include <onnx/onnx_pb.h>
#include <onnx/shape_inference/implementation.h>

#include <limits>

#include "framework/errors.hpp"
#include "training/onnx/graph_data.hpp"

namespace unroll::detail {
namespace {

onnx::TensorProto::DataType data_type(OnnxType type) {
  switch (type) {
    case OnnxType::float32:
      return onnx::TensorProto::FLOAT;
    case OnnxType::float64:
      return onnx::TensorProto::DOUBLE;
    case OnnxType::int32:
      return onnx::TensorProto::INT32;
    case OnnxType::boolean:
      return onnx::TensorProto::BOOL;
    case OnnxType::int64:
      break;
  }
  return onnx::TensorProto::INT64;
}

void fill(onnx::ValueInfoProto& proto, const OnnxValueInfo& info) {
  proto.set_name(info.name);
  if (!info.doc.empty()) proto.set_doc_string(info.doc);
  auto* tensor = proto.mutable_type()->mutable_tensor_type();
  tensor->set_elem_type(data_type(info.type));
  auto* shape = tensor->mutable_shape();  // there also when it has no axes
  for (const OnnxDim& dim : info.shape) {
    auto* d = shape->add_dim();
    if (dim.fixed()) {
      d->set_dim_value(dim.size);
    } else {
      d->set_dim_param(dim.name);
    }
  }
}

void fill(onnx::TensorProto& proto, const OnnxConstant& constant) {
  proto.set_name(constant.name);
  proto.set_data_type(data_type(constant.type));
  for (const Index n : constant.dims) proto.add_dims(n);
  proto.set_raw_data(constant.bytes);
}

void fill(onnx::AttributeProto& proto, const std::string& name, const OnnxAttribute& attribute) {
  proto.set_name(name);
  if (const auto* whole = std::get_if<Index>(&attribute)) {
    proto.set_type(onnx::AttributeProto::INT);
    proto.set_i(*whole);
  } else if (const auto* number = std::get_if<double>(&attribute)) {
    proto.set_type(onnx::AttributeProto::FLOAT);
    proto.set_f(static_cast<float>(*number));
  } else if (const auto* text = std::get_if<std::string>(&attribute)) {
    proto.set_type(onnx::AttributeProto::STRING);
    proto.set_s(*text);
  } else if (const auto* type = std::get_if<OnnxType>(&attribute)) {
    proto.set_type(onnx::AttributeProto::INT);
    proto.set_i(data_type(*type));
  } else if (const auto* integers = std::get_if<std::vector<Index>>(&attribute)) {
    proto.set_type(onnx::AttributeProto::INTS);
    for (const Index v : *integers) proto.add_ints(v);
  } else if (const auto* numbers = std::get_if<std::vector<double>>(&attribute)) {
    proto.set_type(onnx::AttributeProto::FLOATS);
    for (const double v : *numbers) proto.add_floats(static_cast<float>(v));
  } else {
    proto.set_type(onnx::AttributeProto::STRINGS);
    for (const std::string& v : std::get<std::vector<std::string>>(attribute)) proto.add_strings(v);
  }
}

// Adds to `needed` what this graph's outputs need, and says which of its nodes they do.
std::vector<bool> needed_nodes(const OnnxGraphData& graph, std::set<std::string>& needed) {
  for (const auto& [info, value] : graph.outputs) needed.insert(value);
  std::vector<bool> kept(graph.nodes.size());
  for (std::size_t i = graph.nodes.size(); i-- > 0;) {
    const OnnxNodeData& node = graph.nodes[i];
    for (const std::string& out : node.outputs) kept[i] = kept[i] || needed.contains(out);
    if (!kept[i]) continue;
    needed.insert(node.inputs.begin(), node.inputs.end());
    if (node.body != nullptr) needed_nodes(*node.body, needed);
  }
  return kept;
}

// Names inside a model that one of its outputs has, too, and what they are called instead.
using Renamed = std::map<std::string, std::string>;

Renamed renamed_values(const OnnxGraphData& graph) {
  std::set<std::string> taken = graph.names;
  for (const auto& [info, value] : graph.outputs) taken.insert(info.name);
  Renamed renamed;
  for (const auto& [info, value] : graph.outputs) {
    if (!graph.names.contains(info.name)) continue;
    std::string other = info.name;
    do {
      other += "_";
    } while (!taken.insert(other).second);
    renamed.emplace(info.name, other);
  }
  return renamed;
}

void fill(onnx::GraphProto& proto, const OnnxGraphData& graph, std::set<std::string>& needed,
          const Renamed& renamed) {
  const std::vector<bool> kept = needed_nodes(graph, needed);
  const auto named = [&](const std::string& name) {
    const auto found = renamed.find(name);
    return found == renamed.end() ? name : found->second;
  };
  for (OnnxValueInfo info : graph.inputs) {
    info.name = named(info.name);
    fill(*proto.add_input(), info);
  }
  for (std::size_t i = 0; i < graph.nodes.size(); ++i) {
    if (!kept[i]) continue;
    const OnnxNodeData& node = graph.nodes[i];
    onnx::NodeProto& made = *proto.add_node();
    made.set_op_type(node.op);
    made.set_name(node.name);
    for (const std::string& in : node.inputs) made.add_input(named(in));
    while (made.input_size() > 0 && made.input(made.input_size() - 1).empty())
      made.mutable_input()->RemoveLast();
    // Outputs that nobody reads are left out; a body's are as many as it has.
    for (const std::string& out : node.outputs)
      made.add_output(node.body != nullptr || needed.contains(out) ? named(out) : "");
    while (made.output(made.output_size() - 1).empty()) made.mutable_output()->RemoveLast();
    for (const auto& [name, attribute] : node.attributes) fill(*made.add_attribute(), name, attribute);
    if (node.body != nullptr) {
      onnx::AttributeProto& body = *made.add_attribute();
      body.set_name("body");
      body.set_type(onnx::AttributeProto::GRAPH);
      body.mutable_g()->set_name(node.name + ".body");
      fill(*body.mutable_g(), *node.body, needed, renamed);
    }
  }
  for (const auto& [info, value] : graph.outputs) {
    OnnxValueInfo declared = info;
    if (graph.parent != nullptr) declared.name = named(info.name);
    fill(*proto.add_output(), declared);
    // An output has a name of its own: its value may be an input, or an output under another name too.
    onnx::NodeProto& copy = *proto.add_node();
    copy.set_op_type("Identity");
    copy.set_name(declared.name);
    copy.add_input(named(value));
    copy.add_output(declared.name);
  }
  const auto is_input = [&](const std::string& name) {
    for (const OnnxValueInfo& info : graph.inputs) {
      if (info.name == name) return true;
    }
    return false;
  };
  for (const OnnxConstant& constant : graph.constants) {
    if (!needed.contains(constant.name) && !is_input(constant.name)) continue;
    fill(*proto.add_initializer(), constant);
    proto.mutable_initializer(proto.initializer_size() - 1)->set_name(named(constant.name));
  }
}

}  // namespace

int newest_onnx_opset() {
  static const int newest = onnx::OpSchemaRegistry::DomainToVersionRange::Instance().Map().at("").second;
  return newest;
}

std::string serialize_onnx(const OnnxGraphData& graph) {
  if (graph.outputs.empty()) throw ArgumentError("[OnnxGraph.save] outputs: expected at least one, got none");
  onnx::ModelProto model;
  const OnnxGraphOptions& options = graph.options;
  model.set_ir_version(options.opset == 14 ? 7 : 8);  // what came out with the opset
  model.set_producer_name("Unroll");
  model.set_producer_version(UNROLL_VERSION);
  if (!options.doc.empty()) model.set_doc_string(options.doc);
  auto* opset = model.add_opset_import();
  opset->set_domain("");
  opset->set_version(options.opset);
  for (const auto& [key, value] : options.metadata) {
    auto* entry = model.add_metadata_props();
    entry->set_key(key);
    entry->set_value(value);
  }
  model.mutable_graph()->set_name(options.name);
  std::set<std::string> needed;
  fill(*model.mutable_graph(), graph, needed, renamed_values(graph));

  if (model.ByteSizeLong() > static_cast<std::size_t>(std::numeric_limits<int>::max())) {
    throw ArgumentError(
        fmt::format("[OnnxGraph.save] model: expected at most 2 GiB (protobuf's limit), got {} bytes",
                    model.ByteSizeLong()));
  }
  std::string bytes;
  if (!model.SerializeToString(&bytes)) throw Error("[OnnxGraph.save] protobuf could not write the model");
  try {
    onnx::checker::check_model(model);
    // Strict: every node's types and shapes, and the outputs' against what is inferred. It adds what it finds
    // to the model, whose bytes are made already.
    onnx::shape_inference::InferShapes(model, onnx::OpSchemaRegistry::Instance(), {true, 1, true});
  } catch (const std::exception& e) {
    throw ArgumentError(
        fmt::format("[OnnxGraph.save] model: expected one that onnx's checker accepts, got: {}", e.what()));
  }
  return bytes;
}

}  // namespace unroll::detail
