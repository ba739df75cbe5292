#include "seeds/numpy_text.hpp"

#include <catch2/catch.hpp>

#include "framework/errors.hpp"

using namespace unroll;
using namespace unroll::seeds;

TEST_CASE("numpy_text prints arrays as NumPy does") {
  // Each text is what NumPy 1.24 prints.
  CHECK(numpy_text(from_values<double>({3}, {1.0, 2.5, -3.0})) == "[ 1.   2.5 -3. ]");
  CHECK(numpy_text(from_values<double>({2, 2}, {1.0, 2.0, 3.0, 4.0})) == "[[1. 2.]\n [3. 4.]]");
  CHECK(numpy_text(from_values<double>({1, 2, 2}, {0.5, 0.25, 10.0, 0.125})) ==
        "[[[ 0.5    0.25 ]\n  [10.     0.125]]]");
  CHECK(numpy_text(from_values<double>({2, 1, 1}, {1.0, 2.0})) == "[[[1.]]\n\n [[2.]]]");
  CHECK(numpy_text(from_values<double>({1}, {1.0 / 3.0})) == "[0.33333333]");
  CHECK(numpy_text(zeros<double>({2})) == "[0. 0.]");
}

TEST_CASE("numpy_text breaks lines where NumPy does") {
  const Tensor<double> third = full<double>({7}, 1.0 / 3.0);
  CHECK(numpy_text(third) ==
        "[0.33333333 0.33333333 0.33333333 0.33333333 0.33333333 0.33333333\n 0.33333333]");
}

TEST_CASE("numpy_text refuses what NumPy would print with exponents") {
  CHECK_THROWS_AS(numpy_text(from_values<double>({2}, {1.0, 1e-5})), ArgumentError);
  CHECK_THROWS_AS(numpy_text(from_values<double>({2}, {1e9, 1e8})), ArgumentError);
  CHECK_THROWS_AS(numpy_text(from_values<double>({2}, {1.0, 2000.0})), ArgumentError);
}

TEST_CASE("numpy_shape_text prints shapes as Python prints tuples") {
  CHECK(numpy_shape_text({5, 10}) == "(5, 10)");
  CHECK(numpy_shape_text({4}) == "(4,)");
  CHECK(numpy_shape_text({}) == "()");
}
