// Named arrays in NumPy's npz format: a zip archive of npy files.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "framework/serialization.hpp"
#include "framework/tensor_file.hpp"
#include "framework/unpack_options.hpp"

namespace unroll {

struct NpzOptions {
  bool compress = false;  // deflate, as numpy.savez_compressed; weights hardly shrink
};

// Writes arrays of any element types into one file that numpy.load reads. Arrays stay in memory until
// commit(), which replaces the file atomically. The same arrays give the same bytes. A moved-from writer
// throws ArgumentError.
class NpzWriter {
 public:
  explicit NpzWriter(std::string path, NpzOptions options = {}, std::string function = "NpzWriter");

  // S as for save_npy. Throws ArgumentError for a name that is repeated, not UTF-8 or has a zero byte,
  // MemoryError if there is no memory for the copy.
  template <class S>
  void add(const std::string& name, const Tensor<S>& tensor);
  // Adds texts as a member that is no array; TensorFile::metadata() returns them, numpy.load their bytes.
  void add_metadata(const std::map<std::string, std::string>& metadata);
  // Throws FileError naming the file when it cannot be written.
  void commit();

 private:
  struct Member {
    std::string name, bytes;
  };
  void add_member(std::string name, std::string bytes);
  void require_contents(const char* function) const;

  std::string path_;
  NpzOptions options_;
  std::string function_;
  std::vector<Member> members_;
  std::set<std::string> names_;
};

// Opens a file of numpy.savez, numpy.savez_compressed or NpzWriter: TensorFile::tensors() lists the arrays,
// read<S>(name) reads one. Members that no Tensor can hold (text, dates, records, objects, complex numbers,
// no arrays, encrypted or not deflated) are listed, too; only reading them is an error. Throws FileError
// naming file and member for damaged archives, repeated names, overlapping members, and deflated members
// larger than options.max_bytes together; read<S> refuses arrays that are larger as S.
std::unique_ptr<TensorFile> open_npz(const std::string& path, const UnpackOptions& options = {},
                                     const std::string& function = "open_npz");

// All tensors at once, for files of weights. Types as for load_tensors and save_tensors.
template <class S>
void save_npz(const std::string& path, const StateDict<S>& state, NpzOptions options = {});
template <class S>
StateDict<S> load_npz(const std::string& path, const UnpackOptions& options = {});

}  // namespace unroll
