// Files of models of other programs, for the tests of their readers.
#pragma once

#include <catch2/catch.hpp>
#include <cmath>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "framework/random.hpp"
#include "layers/module.hpp"
#include "tests/scratch.hpp"

namespace unroll::test {

using Numbers = std::vector<double>;

inline double sigmoid_of(double x) { return 1.0 / (1.0 + std::exp(-x)); }

inline Numbers draw(std::size_t count, Rng& rng) {
  Numbers values(count);
  for (double& v : values) v = 0.8 * rng.normal();
  return values;
}

inline std::string write(const ScratchFolder& folder, const std::string& text,
                         const std::string& name = "model.json") {
  std::ofstream(folder.file(name)) << text;
  return folder.file(name);
}

inline std::string read(const std::string& path) {
  std::ifstream in(path);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

inline constexpr std::size_t kSteps = 9;

inline double largest_difference(const Tensor<double>& a, const Tensor<double>& b) {
  REQUIRE(a.shape() == b.shape());
  double largest = 0.0;
  for (std::size_t i = 0; i < a.size(); ++i) largest = std::max(largest, std::abs(a.data()[i] - b.data()[i]));
  return largest;
}

inline Tensor<double> some_input(std::size_t features, Rng& rng) {
  return random_normal<double>({kSteps, 1, features}, 0.0, 1.0, rng);
}

template <class S>
std::vector<S> all_weights(const auto& model) {
  std::vector<S> values;
  for (const auto& [name, var] : named_parameters(model))
    values.insert(values.end(), var.value().begin(), var.value().end());
  return values;
}

}  // namespace unroll::test
