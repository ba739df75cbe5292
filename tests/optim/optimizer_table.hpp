// The table of optimizers under test: one row per optimizer and set of options.
#pragma once

#include <array>
#include <cstring>
#include <functional>
#include <memory>
#include <vector>

#include "framework/random.hpp"
#include "optim/optim.hpp"

namespace optimizer_table {

using namespace unroll;

template <class S>
using Make = std::function<std::unique_ptr<Optimizer<S>>(const std::vector<Var<S>>&)>;

// One scalar parameter's next value; keeps its own state.
using Reference = std::function<double(double p, double g)>;

struct Row {
  const char* name;
  Make<double> make;
  Make<float> make_float;
  std::array<double, 3> pytorch;  // after six steps, see below
  std::function<Reference()> reference;
};

// Every optimizer, with and without its options.
const std::vector<Row>& rows();

// 19 elements and 6: whole vectors and a rest.
template <class S>
std::vector<Var<S>> two_parameters(std::uint64_t seed) {
  Rng rng(seed);
  return {parameter(random_normal<S>({19}, 0.0, 1.0, rng), "w"),
          parameter(random_normal<S>({2, 3}, 0.0, 1.0, rng), "b")};
}

template <class S>
bool same_bits(const Tensor<S>& a, const Tensor<S>& b) {
  return a.shape() == b.shape() && std::memcmp(a.data(), b.data(), a.size() * sizeof(S)) == 0;
}

}  // namespace optimizer_table
