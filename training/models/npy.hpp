// Arrays in NumPy's npy format.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>

#include "framework/tensor_file.hpp"

namespace unroll {

namespace detail {

// Where a header's bytes come from, one after the other, and how an error names the file.
struct NpySource {
  std::function<void(void* to, std::size_t bytes)> next;
  std::function<void(const std::string& what)> fail;  // throws
};

struct NpyHeader {
  TensorInfo info;           // without a name
  std::size_t bytes = 0;     // of the header
  std::size_t elements = 0;  // bytes of the elements after it
};

// Reads and checks a header of version 1, 2 or 3: magic, version, then a Python dict
//   {'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }
// source.fail is called for anything else. Arrays of element types and ranks that Tensor has not come out as
// unreadable; their `elements` is 0.
NpyHeader read_npy_header(const NpySource& source);

// A header as NumPy writes it: version 1, row-major, padded so that the elements begin at a multiple of 64.
std::string npy_header(Dtype dtype, const Shape& shape);

}  // namespace detail

// Reads an npy file of numpy.save: version 1, 2 or 3; bool, int8 .. int64, uint8 .. uint64, float16, float32
// or float64; either order of axes and of bytes. S is float, double, bool or an integer of 8 to 64 bits and
// must hold all values of the file's type (readable_as), unless rounding is allowed. Throws FileError for
// other element types, more than 6 axes, and a file that is cut, longer than its array or no npy file.
template <class S>
Tensor<S> load_npy(const std::string& path, Rounding rounding = Rounding::refuse);

// Writes an npy file, row-major and little-endian, byte for byte as numpy.save does, and replaces an old file
// atomically. Throws FileError when it cannot be written.
template <class S>
void save_npy(const std::string& path, const Tensor<S>& tensor);

// Opens an npy file as a file of one tensor with the name "": type and shape before the elements are read.
std::unique_ptr<TensorFile> open_npy(const std::string& path, const std::string& function = "open_npy");

}  // namespace unroll
