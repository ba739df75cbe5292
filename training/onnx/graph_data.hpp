// What an OnnxGraph holds until it is written. For .cpp files of this folder.
#pragma once

#include <set>

#include "training/onnx/graph.hpp"

namespace unroll::detail {

struct OnnxValueInfo {
  std::string name;
  OnnxType type;
  OnnxShape shape;
  std::string doc;
};

struct OnnxConstant {
  std::string name;
  OnnxType type;
  std::vector<Index> dims;
  std::string bytes;  // little-endian, row-major
};

struct OnnxNodeData {
  std::string op, name;
  std::vector<std::string> inputs, outputs;  // "": left out
  std::map<std::string, OnnxAttribute> attributes;
  std::shared_ptr<const OnnxGraphData> body;  // of Scan
};

struct OnnxGraphData {
  OnnxGraphOptions options;
  // Of a body: the graph around it. That one's nodes own the body, and a value of the body keeps only the
  // body: `body()` hands out values while the one around lives.
  OnnxGraphData* parent = nullptr;
  int depth = 0;
  std::vector<OnnxValueInfo> inputs;
  std::vector<std::pair<OnnxValueInfo, std::string>> outputs;  // with the name of the value
  std::vector<OnnxNodeData> nodes;
  std::vector<OnnxConstant> constants;         // of the outermost graph only
  std::map<std::string, std::string> numbers;  // constants that several nodes share, by content
  std::set<std::string> names;                 // of the outermost graph only: all that are taken

  OnnxGraphData& root() { return parent == nullptr ? *this : parent->root(); }
};

// The newest opset of the installed onnx library.
int newest_onnx_opset();
// The model as bytes, checked (proto.cpp).
std::string serialize_onnx(const OnnxGraphData& graph);

}  // namespace unroll::detail
