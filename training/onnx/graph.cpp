#include "training/onnx/graph.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cstring>

#include "framework/atomic_file.hpp"
#include "framework/errors.hpp"
#include "training/onnx/graph_data.hpp"

namespace unroll {
namespace {

static_assert(std::endian::native == std::endian::little, "ONNX files are little-endian");

template <class T>
void append(std::string& bytes, T value) {
  char raw[sizeof value];
  std::memcpy(raw, &value, sizeof value);
  bytes.append(raw, sizeof value);
}

// name, or name_2, name_3 .. when it is taken.
std::string unique_name(detail::OnnxGraphData& root, const std::string& name) {
  std::string candidate = name;
  for (int n = 2; !root.names.insert(candidate).second; ++n) candidate = fmt::format("{}_{}", name, n);
  return candidate;
}

template <class S>
detail::OnnxConstant to_constant(std::string name, const Tensor<S>& value) {
  detail::OnnxConstant constant{std::move(name), onnx_type<S>(), {}, {}};
  for (const std::size_t n : value.shape()) constant.dims.push_back(static_cast<Index>(n));
  constant.bytes.assign(reinterpret_cast<const char*>(value.data()), value.size() * sizeof(S));
  return constant;
}

template <class S>
OnnxShape to_onnx_shape(const Tensor<S>& value) {
  return OnnxShape(value.shape().begin(), value.shape().end());
}

}  // namespace

std::string to_string(const OnnxShape& shape) {
  std::string text = "(";
  for (const OnnxDim& dim : shape) {
    if (text.size() > 1) text += ',';
    text += dim.fixed() ? std::to_string(dim.size) : dim.name;
  }
  return text + ")";
}

OnnxGraph OnnxValue::graph() const {
  if (!defined()) throw ArgumentError("[OnnxValue.graph] value: expected one of a graph, got none");
  return OnnxGraph(graph_);
}

OnnxGraph::OnnxGraph(OnnxGraphOptions options) : data_(std::make_shared<detail::OnnxGraphData>()) {
  constexpr int kOldest = 14;
  const int newest = detail::newest_onnx_opset();
  if (options.opset < kOldest || options.opset > newest) {
    throw ArgumentError(
        fmt::format("[OnnxGraph] opset: expected {}..{} (the newest of the installed onnx library), got {}",
                    kOldest, newest, options.opset));
  }
  data_->options = std::move(options);
}

OnnxGraphOptions OnnxGraph::options() const { return data_->root().options; }

OnnxValue OnnxGraph::value(std::string name, OnnxType type, OnnxShape shape) const {
  OnnxValue result;
  result.graph_ = data_;
  result.name_ = std::move(name);
  result.type_ = type;
  result.shape_ = std::move(shape);
  return result;
}

OnnxValue OnnxGraph::input(const std::string& name, OnnxType type, OnnxShape shape, const std::string& doc) {
  if (data_->parent == nullptr) {
    const bool output = std::any_of(data_->outputs.begin(), data_->outputs.end(),
                                    [&](const auto& pair) { return pair.first.name == name; });
    if (name.empty() || output || !data_->names.insert(name).second) {
      throw ArgumentError(
          fmt::format("[OnnxGraph.input] name: expected one that is not taken, got '{}'", name));
    }
    data_->inputs.push_back({name, type, shape, doc});
  } else {
    data_->inputs.push_back({unique_name(data_->root(), name), type, shape, doc});
  }
  return value(data_->inputs.back().name, type, std::move(shape));
}

template <class S>
OnnxValue OnnxGraph::optional_input(const std::string& name, const Tensor<S>& otherwise,
                                    const std::string& free_axes, const std::string& doc) {
  OnnxShape shape = to_onnx_shape(otherwise);
  for (OnnxDim& dim : shape) {
    if (dim == OnnxDim(1)) dim = free_axes;
  }
  OnnxValue result = input(name, onnx_type<S>(), shape, doc);
  data_->constants.push_back(to_constant(name, otherwise));
  return result;
}

template <class S>
OnnxValue OnnxGraph::constant(const std::string& name, const Tensor<S>& tensor) {
  detail::OnnxGraphData& root = data_->root();
  root.constants.push_back(to_constant(unique_name(root, name), tensor));
  return value(root.constants.back().name, onnx_type<S>(), to_onnx_shape(tensor));
}

OnnxValue OnnxGraph::scalar(double number, OnnxType type) {
  std::string bytes;
  switch (type) {
    case OnnxType::float32:
      append(bytes, static_cast<float>(number));
      break;
    case OnnxType::float64:
      append(bytes, number);
      break;
    case OnnxType::int32:
      append(bytes, static_cast<std::int32_t>(number));
      break;
    case OnnxType::int64:
      append(bytes, static_cast<std::int64_t>(number));
      break;
    case OnnxType::boolean:
      append(bytes, static_cast<std::uint8_t>(number != 0.0));
      break;
  }
  detail::OnnxGraphData& root = data_->root();
  std::string& name = root.numbers[fmt::format("{} {}", static_cast<int>(type), bytes)];
  if (name.empty()) {
    name = unique_name(root, fmt::format("number_{}", number));
    root.constants.push_back({name, type, {}, std::move(bytes)});
  }
  return value(name, type, {});
}

OnnxValue OnnxGraph::integers(const std::vector<Index>& values) {
  detail::OnnxGraphData& root = data_->root();
  std::string& name = root.numbers[fmt::format("integers {}", fmt::join(values, ","))];
  if (name.empty()) {
    name = unique_name(root, fmt::format("integers_{}", fmt::join(values, "_")));
    std::string bytes;
    for (const Index v : values) append(bytes, static_cast<std::int64_t>(v));
    root.constants.push_back({name, OnnxType::int64, {static_cast<Index>(values.size())}, std::move(bytes)});
  }
  return value(name, OnnxType::int64, {values.size()});
}

OnnxValue OnnxGraph::node(const OnnxNode& description, OnnxType type, OnnxShape shape) {
  return node(description, {{type, std::move(shape)}})[0];
}

std::vector<OnnxValue> OnnxGraph::node(const OnnxNode& description,
                                       const std::vector<std::pair<OnnxType, OnnxShape>>& outputs) {
  detail::OnnxGraphData& root = data_->root();
  detail::OnnxNodeData made{description.op, {}, {}, {}, description.attributes, nullptr};
  for (const OnnxValue& in : description.inputs) {
    if (in.defined() && &in.graph_->root() != &root) {
      throw ArgumentError(
          fmt::format("[OnnxGraph.node] inputs of '{}': expected values of this graph, got '{}' of another",
                      description.op, in.name()));
    }
    made.inputs.push_back(in.name());
  }
  const std::string name = description.name.empty() ? description.op : description.name;
  made.name = unique_name(root, name);
  std::vector<OnnxValue> values;
  for (const auto& [type, shape] : outputs) {
    // The first output is called as its node: nothing else may be.
    made.outputs.push_back(values.empty() ? made.name : unique_name(root, made.name));
    values.push_back(value(made.outputs.back(), type, shape));
  }
  data_->nodes.push_back(std::move(made));
  return values;
}

std::vector<OnnxValue> OnnxGraph::node(const OnnxNode& description, const OnnxGraph& body,
                                       const std::vector<std::pair<OnnxType, OnnxShape>>& outputs) {
  std::vector<OnnxValue> values = node(description, outputs);
  data_->nodes.back().body = body.data_;
  return values;
}

void OnnxGraph::output(const std::string& name, const OnnxValue& result, const std::string& doc) {
  if (!result.defined() || &result.graph_->root() != &data_->root()) {
    throw ArgumentError(fmt::format("[OnnxGraph.output] '{}': expected a value of this graph, got {}", name,
                                    result.defined() ? "one of another" : "none"));
  }
  if (data_->parent == nullptr) {
    const auto has_it = [&](const auto& list, auto name_of) {
      return std::any_of(list.begin(), list.end(), [&](const auto& entry) { return name_of(entry) == name; });
    };
    // What is inside the model gives way when it is written.
    if (name.empty() || has_it(data_->inputs, [](const auto& info) { return info.name; }) ||
        has_it(data_->outputs, [](const auto& pair) { return pair.first.name; })) {
      throw ArgumentError(
          fmt::format("[OnnxGraph.output] name: expected one that no input or output has, got '{}'", name));
    }
    data_->outputs.push_back({{name, result.type(), result.shape(), doc}, result.name()});
  } else {
    data_->outputs.push_back(
        {{unique_name(data_->root(), name), result.type(), result.shape(), doc}, result.name()});
  }
}

OnnxGraph OnnxGraph::body() const {
  OnnxGraph inner(std::make_shared<detail::OnnxGraphData>());
  inner.data_->parent = data_.get();
  inner.data_->depth = data_->depth + 1;
  return inner;
}

std::string OnnxGraph::serialize() const { return detail::serialize_onnx(*data_); }

void OnnxGraph::save(const std::string& path) const {
  const std::string bytes = serialize();
  AtomicFile file(path, "OnnxGraph.save");
  file.write(bytes.data(), bytes.size());
  file.commit();
}

OnnxGraph OnnxGraph::of(const char* where, const std::vector<OnnxValue>& inputs) {
  std::shared_ptr<detail::OnnxGraphData> innermost;
  for (const OnnxValue& in : inputs) {
    if (in.defined() && (innermost == nullptr || in.graph_->depth > innermost->depth)) innermost = in.graph_;
  }
  if (innermost == nullptr)
    throw ArgumentError(fmt::format("[{}] input: expected a value of a graph, got none", where));
  return OnnxGraph(std::move(innermost));
}

#define UNROLL_INSTANTIATE(S)                                                                            \
  template OnnxValue OnnxGraph::constant(const std::string&, const Tensor<S>&);                          \
  template OnnxValue OnnxGraph::optional_input(const std::string&, const Tensor<S>&, const std::string&, \
                                               const std::string&);
UNROLL_INSTANTIATE(float)
UNROLL_INSTANTIATE(double)
UNROLL_INSTANTIATE(std::int64_t)
UNROLL_INSTANTIATE(bool)
#undef UNROLL_INSTANTIATE

}  // namespace unroll
