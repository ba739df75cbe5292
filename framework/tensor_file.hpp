// Files of named tensors, whatever their format.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "framework/dtype.hpp"
#include "framework/tensor.hpp"

namespace unroll {

// What a file says of a tensor before its elements are read.
struct TensorInfo {
  std::string name;
  Dtype dtype = Dtype::f32;
  Shape shape = {};
  bool column_major = false;  // the first axis runs fastest (Fortran); Tensors are row-major
  bool big_endian = false;
};

// An open file: names, types, shapes and sizes have been read and checked, elements are read when asked for,
// one tensor at a time. open_safetensors and open_npz make one.
class TensorFile {
 public:
  virtual ~TensorFile() = default;
  TensorFile(const TensorFile&) = delete;
  TensorFile& operator=(const TensorFile&) = delete;

  const std::string& path() const noexcept { return path_; }
  // In the file's order; no name twice.
  const std::vector<TensorInfo>& tensors() const noexcept { return tensors_; }
  // Free text beside the tensors.
  const std::map<std::string, std::string>& metadata() const noexcept { return metadata_; }
  bool contains(const std::string& name) const { return positions_.contains(name); }
  // Throws FileError when there is none.
  const TensorInfo& info(const std::string& name) const;

  // The tensor as S: float, double, bool or a whole number of 8 to 64 bits. Throws FileError when there is
  // none of this name, when its type cannot be read as S (readable_as), and when its elements are not all
  // there.
  template <class S>
  Tensor<S> read(const std::string& name, Rounding rounding = Rounding::refuse);

  // Throws FileError: "[function] path: what".
  [[noreturn]] virtual void fail(const std::string& what) const;

 protected:
  // function is what error messages name, "load_tensors".
  TensorFile(std::string path, std::string function)
      : path_(std::move(path)), function_(std::move(function)) {}

  // Throws FileError when there is one of this name. The elements' bytes must fit into std::size_t.
  void add(TensorInfo info);
  // Elements of the tensor at this position are read from the first byte to the last: begin, some next, end.
  virtual void begin(std::size_t position) = 0;
  virtual void next(void* to, std::size_t bytes) = 0;
  virtual void end() {}

  std::map<std::string, std::string> metadata_;

 private:
  std::size_t position(const std::string& name) const;

  std::string path_, function_;
  std::vector<TensorInfo> tensors_;
  std::map<std::string, std::size_t> positions_;
};

// A safetensors file; serialization.hpp has the format and its rules. function is what error messages name.
std::unique_ptr<TensorFile> open_safetensors(const std::string& path,
                                             const std::string& function = "open_safetensors");

namespace detail {

// Bytes of the elements, or nothing when memory could not hold that many.
std::optional<std::size_t> element_bytes(Dtype dtype, const Shape& shape) noexcept;

}  // namespace detail
}  // namespace unroll
