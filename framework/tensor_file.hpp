// TensorFile: a file of named tensors, in any supported format.
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

// A tensor's description, read before its elements.
struct TensorInfo {
  std::string name;
  Dtype dtype = Dtype::f32;
  Shape shape = {};
  bool column_major = false;  // the first axis runs fastest (Fortran); Tensors are row-major
  bool big_endian = false;
  // Why its elements cannot be read, as an error message continues after "got": "F4", "text (<U5)", "7 axes";
  // type and shape are then meaningless. Empty for readable tensors.
  std::string unreadable = {};
};

// An open file. Names, types, shapes and sizes have been read and checked; elements are read on request, one
// tensor at a time. Tensors that cannot be read are listed too. open_safetensors and open_npz make one. Lists
// are returned by value: `for (const auto& t : open_npz(path)->tensors())` is safe.
class TensorFile {
 public:
  virtual ~TensorFile() = default;
  TensorFile(const TensorFile&) = delete;
  TensorFile& operator=(const TensorFile&) = delete;

  std::string path() const { return path_; }
  // Returns the tensors in the file's order; names are unique.
  std::vector<TensorInfo> tensors() const { return tensors_; }
  // Returns the file's free text by key.
  std::map<std::string, std::string> metadata() const { return metadata_; }
  bool contains(const std::string& name) const { return positions_.contains(name); }
  // Returns a tensor's description. Throws FileError if there is no such tensor.
  TensorInfo info(const std::string& name) const;

  // Reads a tensor as S: float, double, bool or an integer of 8 to 64 bits. Throws FileError if there is no
  // tensor of this name, if its type cannot be read as S (readable_as), or if elements are missing;
  // MemoryError if there is no memory for it. Elements are read directly into the tensor, with a 64 KiB
  // buffer if types or byte order are converted; a column_major tensor takes twice its memory meanwhile.
  template <class S>
  Tensor<S> read(const std::string& name, Rounding rounding = Rounding::refuse);

  // Throws FileError: "[function] path: what".
  [[noreturn]] virtual void fail(const std::string& what) const;

 protected:
  // function is the name in error messages, for example "load_tensors".
  TensorFile(std::string path, std::string function)
      : path_(std::move(path)), function_(std::move(function)) {}

  // Adds a tensor. Throws FileError for a name that exists. The elements' bytes must fit std::size_t.
  void add(TensorInfo info);
  // Elements of the tensor at this position are read from the first byte to the last: begin, several next,
  // end.
  virtual void begin(std::size_t position) = 0;
  virtual void next(void* to, std::size_t bytes) = 0;
  virtual void end() {}
  const TensorInfo& at(std::size_t position) const noexcept { return tensors_[position]; }

  // The most bytes that a tensor may take in memory: a limit for compressed files, which can claim any size.
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

// Opens a safetensors file; serialization.hpp describes the format and its rules. function is the name in
// error messages. Tensors of an unknown type (F4, F6 ..) or with more than 6 axes are listed as unreadable.
std::unique_ptr<TensorFile> open_safetensors(const std::string& path,
                                             const std::string& function = "open_safetensors");

namespace detail {

// Returns the type for a message: "F32", or why it cannot be read.
std::string type_of(const TensorInfo& info);

// Returns the bytes of the elements, or nothing if they exceed any memory, also next to a size of 0.
std::optional<std::size_t> element_bytes(Dtype dtype, const Shape& shape) noexcept;

}  // namespace detail
}  // namespace unroll
