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

// Reads an npy file as numpy.save writes it: version 1, 2 or 3; bool, int8 .. int64, uint8 .. uint64,
// float16, float32 or float64; either order of axes and of bytes. S is float, double, bool or a whole number
// of 8 to 64 bits; the file's type must hold no numbers that S has not (readable_as), or rounding be allowed.
// Throws FileError naming the file, what was expected and what is there for other element types, more than 6
// axes, and a file that is cut, longer than its array or no npy file.
template <class S>
Tensor<S> load_npy(const std::string& path, Rounding rounding = Rounding::refuse);

// Writes one, row-major and little-endian, byte for byte as numpy.save would. The file appears under its name
// only when it is complete. Throws FileError when it cannot be written.
template <class S>
void save_npy(const std::string& path, const Tensor<S>& tensor);

// An npy file as a file of one tensor, whose name is "": says type and shape before anything is read.
std::unique_ptr<TensorFile> open_npy(const std::string& path, const std::string& function = "open_npy");

}  // namespace unroll
