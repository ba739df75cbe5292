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
  bool compress = false;  // deflated, as numpy.savez_compressed writes; weights hardly shrink
};

// Writes arrays of any element types into one file that numpy.load reads. They are kept in memory until
// commit(), which packs them and puts the file in its place in one step: a crash at any moment leaves the old
// file or the new one. The same arrays give the same bytes. One that was moved from throws ArgumentError.
class NpzWriter {
 public:
  explicit NpzWriter(std::string path, NpzOptions options = {}, std::string function = "NpzWriter");

  // S as for save_npy. Throws ArgumentError for a name that is there already, is no UTF-8 or holds a zero
  // byte, MemoryError when there is no memory for the copy.
  template <class S>
  void add(const std::string& name, const Tensor<S>& tensor);
  // A member that is no array: numpy.load gives its bytes. TensorFile::metadata() has the texts of metadata.
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

// Opens such a file, from numpy.savez, numpy.savez_compressed or NpzWriter: TensorFile::tensors() lists the
// arrays, read<S>(name) reads one. Members that no Tensor can hold (text, dates, records, objects, complex
// numbers, what is no array, what is encrypted or compressed by something else than deflate) are listed, too,
// and are an error for who reads them only. Throws FileError naming the file, the member and what is wrong
// for damaged archives, names that are there twice, members that overlap, and deflated ones that are larger
// in all than options.max_bytes; read<S> refuses arrays that are larger than that as S.
std::unique_ptr<TensorFile> open_npz(const std::string& path, const UnpackOptions& options = {},
                                     const std::string& function = "open_npz");

// All at once, for files of weights. What load_tensors and save_tensors say of types holds here, too.
template <class S>
void save_npz(const std::string& path, const StateDict<S>& state, NpzOptions options = {});
template <class S>
StateDict<S> load_npz(const std::string& path, const UnpackOptions& options = {});

}  // namespace unroll
