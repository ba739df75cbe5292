#include <catch2/catch.hpp>

#include "framework/ops.hpp"

using namespace unroll;

TEST_CASE("a diamond adds up both paths") {
  const Var<double> x = parameter(Tensor<double>{{1.0, 2.0}, {3.0, 4.0}});
  Tape tape;
  const Var<double> y = x * x;
  const Var<double> loss = y + y * 3.0;
  tape.backward(loss, Var<double>(ones<double>({2, 2})));
  CHECK(x.grad() == Tensor<double>{{8.0, 16.0}, {24.0, 32.0}});
}
