// A file that goes away with the test.
#pragma once

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

class ScratchFile {
 public:
  explicit ScratchFile(const std::string& bytes, const std::string& extension = ".txt") {
    static int count = 0;
    path = (std::filesystem::temp_directory_path() /
            ("unroll_data_" + std::to_string(::getpid()) + "_" + std::to_string(count++) + extension))
               .string();
    std::ofstream(path, std::ios::binary) << bytes;
  }
  ~ScratchFile() { std::filesystem::remove(path); }
  ScratchFile(const ScratchFile&) = delete;
  ScratchFile& operator=(const ScratchFile&) = delete;

  std::string path;
};
