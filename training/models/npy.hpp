// Arrays in NumPy's npy format.
#pragma once

#include <memory>
#include <string>

#include "framework/tensor_file.hpp"

namespace unroll {

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
