// Tensors on disk in the safetensors format, which Python reads as it is.
#pragma once

#include <map>
#include <string>

#include "framework/tensor.hpp"

namespace unroll {

// Tensors by name.
template <class S>
using TensorMap = std::map<std::string, Tensor<S>>;

// What one file holds: tensors and free text beside them (options, vocabulary, epoch ...).
template <class S>
struct StateDict {
  TensorMap<S> tensors;
  std::map<std::string, std::string> metadata;
};

// Writes a safetensors file: 8 bytes little-endian header length N, N bytes of JSON
//   {"__metadata__": {key: text}, name: {"dtype": "F32" | "F64", "shape": [..], "data_offsets": [begin,
//   end]}, ..}
// padded with spaces to a multiple of 8, then the elements, row-major and little-endian, in the order of the
// names. The file appears under its name only when it is complete and on disk: it is written beside it,
// flushed and renamed, so that a crash leaves the old file or the new one. Throws FileError naming the file
// when it cannot be written, ArgumentError for a name or text that is not UTF-8 and for a tensor called
// "__metadata__".
template <class S>
void save_tensors(const std::string& path, const StateDict<S>& state);

// Reads such a file. F32 is read into float and double, F64 into double only. Throws FileError that names the
// file and what was expected for anything that is not a complete, consistent file.
template <class S>
StateDict<S> load_tensors(const std::string& path);

}  // namespace unroll
