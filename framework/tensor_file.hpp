// Files of named tensors, whatever their format.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
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
  // Why its elements cannot be read, in the words of a message behind "got": "F4", "text (<U5)", "7 axes";
  // its type or shape means nothing then. Empty for all others.
  std::string unreadable = {};
};

// An open file: names, types, shapes and sizes have been read and checked, elements are read when asked for,
// one tensor at a time. A tensor that cannot be read is listed as the others are. open_safetensors and
// open_npz make one. What it says of itself is given by value: `for (const auto& t :
// open_npz(path)->tensors())` is safe.
class TensorFile {
 public:
  virtual ~TensorFile() = default;
  TensorFile(const TensorFile&) = delete;
  TensorFile& operator=(const TensorFile&) = delete;

  std::string path() const { return path_; }
  // In the file's order; no name twice.
  std::vector<TensorInfo> tensors() const { return tensors_; }
  // Free text beside the tensors.
  std::map<std::string, std::string> metadata() const { return metadata_; }
  bool contains(const std::string& name) const { return positions_.contains(name); }
  // Throws FileError when there is none.
  TensorInfo info(const std::string& name) const;

  // The tensor as S: float, double, bool or a whole number of 8 to 64 bits. Throws FileError when there is
  // none of this name, when its type cannot be read as S (readable_as), and when its elements are not all
  // there; MemoryError when there is no memory for it. It is read into its own memory, with a block of 64 KiB
  // beside it where types or bytes are turned; one that is column_major takes twice its memory meanwhile.
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
  const TensorInfo& at(std::size_t position) const noexcept { return tensors_[position]; }

  // Bytes that a tensor may take in memory; compressed files, which can claim anything, set a limit.
  std::optional<std::uint64_t> max_bytes_;
  std::map<std::string, std::string> metadata_;

 private:
  std::size_t position(const std::string& name) const;
  template <class S>
  Tensor<S> allocate(const TensorInfo& info) const;

  std::string path_, function_;
  std::vector<TensorInfo> tensors_;
  std::map<std::string, std::size_t> positions_;
};

// A safetensors file; serialization.hpp has the format and its rules. function is what error messages name.
// Tensors of a type that is not known here (F4, F6 ..) or of more than 6 axes are listed as unreadable.
std::unique_ptr<TensorFile> open_safetensors(const std::string& path,
                                             const std::string& function = "open_safetensors");

namespace detail {

// What a message says of the type: "F32", or why it cannot be read.
std::string type_of(const TensorInfo& info);

// Bytes of the elements, or nothing when memory could not hold that many, also beside a size of 0.
std::optional<std::size_t> element_bytes(Dtype dtype, const Shape& shape) noexcept;

}  // namespace detail
}  // namespace unroll
