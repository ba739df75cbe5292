// The header of NumPy's npy format, for files and for the members of npz archives.
#pragma once

#include <cstddef>
#include <functional>
#include <string>

#include "framework/tensor_file.hpp"

namespace unroll::detail {

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

}  // namespace unroll::detail
