// Reads and writes tensors in the safetensors format, which Python reads directly.
#pragma once

#include <map>
#include <string>

#include "framework/tensor.hpp"

namespace unroll {

// Tensors by name.
template <class S>
using TensorMap = std::map<std::string, Tensor<S>>;

// The contents of a file: tensors, and free text (options, vocabulary, epoch ...).
template <class S>
struct StateDict {
  TensorMap<S> tensors;
  std::map<std::string, std::string> metadata;
};

// Writes a safetensors file: 8 bytes little-endian header length N, N bytes of JSON
//   {"__metadata__": {key: text}, name: {"dtype": "F32" | "F64", "shape": [..], "data_offsets": [begin,
//   end]}, ..}
// padded with spaces to a multiple of 8, then the elements, row-major and little-endian, in the order of the
// names. So every tensor begins at a multiple of its element size. The file is written under a temporary
// name, flushed and renamed: a crash leaves the old file or the new one. Throws FileError naming the file if
// it cannot be written, ArgumentError for a name or text that is not UTF-8 and for a tensor called
// "__metadata__".
template <class S>
void save_tensors(const std::string& path, const StateDict<S>& state);

// Reads such a file. F32, F16 and BF16 are read into float and double, F64 only into double. Throws FileError
// with the file, what was expected and what was found for other element types (TensorFile::read supports
// them) and for any incomplete or inconsistent file. It requires a header of at most 100,000,000 bytes that
// begins with '{', unique names, offsets that use every byte exactly once, nothing after the last tensor, and
// metadata of strings. Tensors need not be aligned, because other writers do not align them. Throws
// MemoryError if there is no memory for a tensor.
template <class S>
StateDict<S> load_tensors(const std::string& path);

class TensorFile;
namespace detail {
// Reads all tensors of an open file, which must be floats that S can represent, and its metadata.
template <class S>
StateDict<S> read_all(TensorFile& file);
}  // namespace detail

}  // namespace unroll
