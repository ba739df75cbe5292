// First and second derivatives of a function against central differences, as a Catch check.
#pragma once

#include <catch2/catch.hpp>
#include <vector>

#include "framework/gradcheck.hpp"

namespace unroll::test {

inline void check_derivatives(const GradcheckFunction& f, const std::vector<Tensor<double>>& inputs) {
  const auto first = gradcheck(f, inputs);
  INFO(first.message);
  CHECK(first);
  const auto second = gradgradcheck(f, inputs);
  INFO(second.message);
  CHECK(second);
}

}  // namespace unroll::test
