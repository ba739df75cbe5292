// OnnxGraph: a graph of ONNX operators under construction, and the values in it.
#pragma once

#include <concepts>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "framework/tensor.hpp"

namespace unroll {

enum class OnnxType { float32, float64, int32, int64, boolean };

// The type of a tensor of S: float, double, std::int64_t (labels, token ids) or bool.
template <class S>
constexpr OnnxType onnx_type() {
  if constexpr (std::is_same_v<S, float>) return OnnxType::float32;
  if constexpr (std::is_same_v<S, double>) return OnnxType::float64;
  if constexpr (std::is_same_v<S, bool>) return OnnxType::boolean;
  return OnnxType::int64;
}

// The size of one axis: a number, or the name of an open one ("batch", "time").
struct OnnxDim {
  Index size = 0;
  std::string name = {};  // empty: size counts

  template <std::integral I>
  OnnxDim(I n) : size(static_cast<Index>(n)) {}
  OnnxDim(std::string n) : name(std::move(n)) {}
  OnnxDim(const char* n) : name(n) {}
  bool fixed() const noexcept { return name.empty(); }
  bool operator==(const OnnxDim&) const = default;
};
using OnnxShape = std::vector<OnnxDim>;

// "(time,batch,8)"
std::string to_string(const OnnxShape& shape);

using OnnxAttribute = std::variant<Index, double, std::string, std::vector<Index>, std::vector<double>,
                                   std::vector<std::string>, OnnxType>;

namespace detail {
struct OnnxGraphData;
}

class OnnxGraph;

// A value in a graph: an input, a constant or a node's output. Copies are the same value and keep the graph
// alive. OnnxValue() stands for an omitted optional input.
class OnnxValue {
 public:
  OnnxValue() = default;
  bool defined() const noexcept { return graph_ != nullptr; }
  const std::string& name() const& noexcept { return name_; }
  std::string name() && { return std::move(name_); }
  OnnxType type() const noexcept { return type_; }
  const OnnxShape& shape() const& noexcept { return shape_; }
  OnnxShape shape() && { return std::move(shape_); }
  Index rank() const noexcept { return static_cast<Index>(shape_.size()); }
  // Throws ArgumentError for one that was never set.
  OnnxGraph graph() const;

 private:
  friend class OnnxGraph;
  std::shared_ptr<detail::OnnxGraphData> graph_;
  std::string name_;
  OnnxType type_ = OnnxType::float32;
  OnnxShape shape_;
};

// One operator as the ONNX standard describes it: its name, inputs and attributes.
struct OnnxNode {
  std::string op;
  std::vector<OnnxValue> inputs;
  std::map<std::string, OnnxAttribute> attributes = {};
  std::string name = {};  // none: made of op
};

struct OnnxGraphOptions {
  int opset = 14;  // version of ONNX's operators: 14 up to what the installed onnx library knows (17)
  std::string name = "model";
  std::string doc = {};                              // a description
  std::map<std::string, std::string> metadata = {};  // for programs, for example a vocabulary
};

// A graph under construction:
//
//   OnnxGraph graph;
//   const OnnxValue ids = graph.input("ids", OnnxType::int64, {"time", "batch"});
//   const auto states = to_onnx("encoder", model.encoder, to_onnx("embed", model.embed, ids));
//   graph.output("logits", to_onnx("head", model.head, last(states)));
//   graph.save("model.onnx");
//
// Nodes that no output needs are left out of the file. Copies are the same graph.
class OnnxGraph {
 public:
  // Throws ArgumentError for an opset that is not there.
  explicit OnnxGraph(OnnxGraphOptions options = {});
  // Copies only: what was moved from is still the graph.
  OnnxGraph(const OnnxGraph&) = default;
  OnnxGraph& operator=(const OnnxGraph&) = default;

  // Throws ArgumentError for a name that is taken or empty.
  OnnxValue input(const std::string& name, OnnxType type, OnnxShape shape, const std::string& doc = {});
  // An input that a run may omit: its default is `otherwise`. Axes of size 1 of the default may have any size
  // in a given value; they are called `free_axes`.
  template <class S>
  OnnxValue optional_input(const std::string& name, const Tensor<S>& otherwise, const std::string& free_axes,
                           const std::string& doc = {});
  // A tensor in the file. S: float, double, std::int64_t or bool. A name that is taken is changed.
  template <class S>
  OnnxValue constant(const std::string& name, const Tensor<S>& value);
  // A scalar of the given type, and integers as an int64 vector, for example axes and shapes.
  OnnxValue scalar(double value, OnnxType type);
  OnnxValue integers(const std::vector<Index>& values);
  // A node with one output, or with several. The caller gives their types and shapes; save() checks them.
  // Throws ArgumentError for inputs of another graph.
  OnnxValue node(const OnnxNode& node, OnnxType type, OnnxShape shape);
  std::vector<OnnxValue> node(const OnnxNode& node,
                              const std::vector<std::pair<OnnxType, OnnxShape>>& outputs);
  // Makes a value an output of the model. Throws ArgumentError for a name that is taken or empty.
  void output(const std::string& name, const OnnxValue& value, const std::string& doc = {});

  OnnxGraphOptions options() const;

  // The file's bytes. Throws ArgumentError without an output, above protobuf's 2 GiB and, with onnx's
  // message, if its checker or strict shape inference does not accept the model.
  std::string serialize() const;
  // Writes them, replacing an old file atomically; throws FileError, too.
  void save(const std::string& path) const;

  // The graph for a node with these inputs: the innermost of theirs. Throws ArgumentError naming `where` if
  // none is defined.
  static OnnxGraph of(const char* where, const std::vector<OnnxValue>& inputs);

  // A graph inside this one, which must outlive it and whose values it can use; and a node that runs it.
  OnnxGraph body() const;
  std::vector<OnnxValue> node(const OnnxNode& node, const OnnxGraph& body,
                              const std::vector<std::pair<OnnxType, OnnxShape>>& outputs);

 private:
  friend class OnnxValue;
  explicit OnnxGraph(std::shared_ptr<detail::OnnxGraphData> data) : data_(std::move(data)) {}
  OnnxValue value(std::string name, OnnxType type, OnnxShape shape) const;
  std::shared_ptr<detail::OnnxGraphData> data_;
};

}  // namespace unroll
