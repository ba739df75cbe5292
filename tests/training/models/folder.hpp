// Places of files for the tests of models.
#pragma once

#include <filesystem>
#include <string>

#include "tests/scratch.hpp"

namespace models_test {

// A folder that goes away with the test.
struct Folder {
  unroll::test::ScratchFolder folder;
  std::filesystem::path path = folder.path();
  std::string file(const std::string& name) const { return folder.file(name); }
  std::size_t count() const { return folder.files(); }
};
using unroll::test::read_bytes;
using unroll::test::write_bytes;

// A file that torch_models.py or numpy_arrays.py has written.
inline std::string data_file(const std::string& name) {
  return std::string(UNROLL_SOURCE_DIR) + "/tests/training/models/data/" + name;
}

}  // namespace models_test
