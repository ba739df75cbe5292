// ONNX export: what link unroll::onnx offers. An optional part of the build (needs libonnx-dev,
// libprotobuf-dev).
#pragma once

#include "training/onnx/export.hpp"
#include "training/onnx/graph.hpp"
#include "training/onnx/ops.hpp"
#include "training/onnx/recurrent.hpp"
#include "training/onnx/scan.hpp"
