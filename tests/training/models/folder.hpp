// Places of files for the tests of models.
#pragma once

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

namespace models_test {

// A folder that goes away with the test.
struct Folder {
  std::filesystem::path path;
  Folder() {
    static int count = 0;
    path = std::filesystem::temp_directory_path() /
           ("unroll_models_" + std::to_string(::getpid()) + "_" + std::to_string(count++));
    std::filesystem::create_directory(path);
  }
  ~Folder() { std::filesystem::remove_all(path); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  std::string file(const std::string& name) const { return (path / name).string(); }
  std::size_t count() const {
    return static_cast<std::size_t>(
        std::distance(std::filesystem::directory_iterator(path), std::filesystem::directory_iterator()));
  }
};

inline std::string read_bytes(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

inline void write_bytes(const std::string& path, const std::string& bytes) {
  std::filesystem::remove(path);  // cutting a file short makes some file systems wait for the disk
  std::ofstream(path, std::ios::binary) << bytes;
}

// A file that torch_models.py or numpy_arrays.py has written.
inline std::string data_file(const std::string& name) {
  return std::string(UNROLL_SOURCE_DIR) + "/tests/training/models/data/" + name;
}

}  // namespace models_test
