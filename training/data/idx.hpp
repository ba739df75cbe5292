// IDX files: the format of MNIST and of the data sets that look like it.
#pragma once

#include <string>

#include "framework/tensor.hpp"
#include "framework/unpack_options.hpp"

namespace unroll {

// Reads an IDX file, plain or gzipped (what it is, the file says, not its name): 2 bytes 0, the element type,
// the number of axes, their sizes as 32-bit numbers, the elements row-major, everything big-endian. A type is
// read into an S that holds all its values:
//   float         u8 i8 i16 f32
//   double        u8 i8 i16 i32 f32 f64
//   std::int64_t  u8 i8 i16 i32
// (..., as the file says). The elements are read as they come: memory is asked for the tensor alone, and only
// when the header's sizes fit the file or, of a compressed one, options.max_bytes. Throws FileError naming
// the file for one that is missing, no IDX file, of another type, of no or more than 6 axes, of fewer or more
// elements than it says, too large, whose compressed data is damaged, and for bytes behind the compressed
// data.
template <class S>
Tensor<S> read_idx(const std::string& path, const UnpackOptions& options = {});

extern template Tensor<float> read_idx<float>(const std::string&, const UnpackOptions&);
extern template Tensor<double> read_idx<double>(const std::string&, const UnpackOptions&);
extern template Tensor<std::int64_t> read_idx<std::int64_t>(const std::string&, const UnpackOptions&);

}  // namespace unroll
