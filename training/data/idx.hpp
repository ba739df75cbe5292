// IDX files: the format of MNIST and similar data sets.
#pragma once

#include <string>

#include "framework/tensor.hpp"
#include "framework/unpack_options.hpp"

namespace unroll {

// Reads an IDX file, plain or gzipped (told by its content, not its name): 2 bytes 0, the element type, the
// number of axes, their sizes as 32-bit numbers, the elements row-major; all big-endian. A type is read into
// an S that holds all its values:
//   float         u8 i8 i16 f32
//   double        u8 i8 i16 i32 f32 f64
//   std::int64_t  u8 i8 i16 i32
// Memory is allocated for the tensor alone, and only if the header's sizes fit the file or, if it is
// compressed, options.max_bytes. Throws FileError for a file that is missing, no IDX file, of another type,
// of 0 or more than 6 axes, too large, with fewer or more elements than its header says, with damaged
// compressed data or with bytes after it.
template <class S>
Tensor<S> read_idx(const std::string& path, const UnpackOptions& options = {});

}  // namespace unroll
