// A .nam file as numbers, without layers.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace unroll {

// What a .nam file says of a model beside its weights.
struct NamInfo {
  double sample_rate = 48000.0;  // Hz
  std::string metadata = "{}";   // a JSON object: name, author, loudness, ...
};

namespace detail {

// The numbers of a file: for each layer W (4H, I + H), b (4H), h0 (H), c0 (H); then the head's W (O,H), b
// (O).
struct NamFile {
  NamInfo info;
  std::size_t input = 0, hidden = 0, layers = 0, output = 0;
  std::vector<double> weights = {};
};
NamFile read_nam(const std::string& path, const char* function);
// Throws ArgumentError for a metadata or sample rate that cannot be written.
std::string nam_text(const NamFile& file, bool single);

}  // namespace detail

}  // namespace unroll
