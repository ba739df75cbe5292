// A file that goes away with the test.
#pragma once

#include <string>

#include "tests/scratch.hpp"

class ScratchFile {
 public:
  explicit ScratchFile(const std::string& bytes, const std::string& extension = ".txt")
      : path(folder_.file("data" + extension)) {
    unroll::test::write_bytes(path, bytes);
  }
  ScratchFile(const ScratchFile&) = delete;
  ScratchFile& operator=(const ScratchFile&) = delete;

 private:
  unroll::test::ScratchFolder folder_;

 public:
  std::string path;
};
