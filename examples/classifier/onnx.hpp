// The trained model as an ONNX file: what programs in other languages run.
#pragma once

#include <string>

#include "examples/classifier/model.hpp"
#include "framework/errors.hpp"
#ifdef UNROLL_EXAMPLES_ONNX
#include "training/onnx/onnx.hpp"
#endif

namespace unroll::examples::classifier {

#ifdef UNROLL_EXAMPLES_ONNX
inline void require_onnx() {}

// letters (time,batch), or x (time,batch,I), and lengths (batch) -> probabilities (batch,classes). The
// metadata say what the letters and classes are, or how the numbers were standardised.
template <class Layer>
void write_onnx(const std::string& path, const Classifier<Layer>& model, const Metadata& metadata) {
  OnnxGraph graph({.name = "classifier", .metadata = metadata.all()});
  OnnxValue x;
  if (model.reads_letters) {
    x = to_onnx("embedding", model.embedding, graph.input("letters", OnnxType::int64, {"time", "batch"}));
  } else {
    x = graph.input("x", OnnxType::float32, {"time", "batch", model.layer.input_size()});
  }
  const auto lengths = graph.input("lengths", OnnxType::int32, {"batch"});
  const auto state = last(to_onnx("layer", model.layer, x, {.lengths = lengths}));
  graph.output("probabilities", softmax(to_onnx("head", model.head, state)));
  graph.save(path);
}
#else
inline void require_onnx() {
  throw ArgumentError(
      "--onnx want a build with unroll::onnx (packages libonnx-dev and libprotobuf-dev), got one without");
}
template <class Layer>
void write_onnx(const std::string&, const Classifier<Layer>&, const Metadata&) {
  require_onnx();
}
#endif

}  // namespace unroll::examples::classifier
