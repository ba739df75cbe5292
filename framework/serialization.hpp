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
// names; so every tensor begins at a multiple of its elements' size. The file appears under its name only
// when it is complete and on disk: it is written beside it, flushed and renamed, so that a crash leaves the
// old file or the new one. Throws FileError naming the file when it cannot be written, ArgumentError for a
// name or text that is not UTF-8 and for a tensor called "__metadata__".
template <class S>
void save_tensors(const std::string& path, const StateDict<S>& state);

// Reads such a file. F32, F16 and BF16 are read into float and double, F64 into double only. Throws FileError
// that names the file, what was expected and what is there for other element types (TensorFile::read has
// them) and for anything that is not a complete, consistent file: a header of at most 100,000,000 bytes that
// begins with '{', no name twice, offsets that leave no byte out and use none twice, nothing after the last
// tensor, metadata of texts only. Tensors need not be aligned: files from elsewhere are not.
// MemoryError when there is no memory for a tensor.
template <class S>
StateDict<S> load_tensors(const std::string& path);

class TensorFile;
namespace detail {
// All tensors of an open file, which must be floats that S holds, and its metadata.
template <class S>
StateDict<S> read_all(TensorFile& file);
}  // namespace detail

}  // namespace unroll
