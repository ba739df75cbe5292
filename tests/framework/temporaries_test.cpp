// Arithmetic that reuses the memory of temporaries (framework/ops/temporaries.hpp).
#include <catch2/catch.hpp>
#include <xtensor/xmath.hpp>

#include "framework/anomaly.hpp"
#include "framework/errors.hpp"
#include "framework/ops.hpp"

using namespace unroll;

TEST_CASE("arithmetic writes over temporaries that nothing else holds, and over nothing else") {
  const Var<double> a(Tensor<double>{{1.0, 2.0, 3.0}, {4.0, 5.0, 6.0}}), b(full<double>({2, 3}, 2.0)),
      row(Tensor<double>{10.0, 20.0, 30.0});
  const auto product = [&] { return a * b; };
  const auto is = [](const Var<double>& x, const Tensor<double>& y) { return x.value() == y; };
  const Tensor<double> sum{{4.0, 6.0, 8.0}, {10.0, 12.0, 14.0}};
  Var<double> first = product();
  const double* place = first.data();
  const Var<double> reused = std::move(first) + b;
  CHECK(reused.data() == place);
  CHECK(is(reused, sum));
  Var<double> second = product();
  place = second.data();
  const Var<double> difference = b - std::move(second);
  CHECK(difference.data() == place);
  CHECK(is(difference, Tensor<double>{{0.0, -2.0, -4.0}, {-6.0, -8.0, -10.0}}));
  CHECK(is(product() / product(), ones<double>({2, 3})));
  CHECK(is(product() * 0.5, a.value()));
  CHECK(is(product() + row, Tensor<double>{{12.0, 24.0, 36.0}, {18.0, 30.0, 42.0}}));
  CHECK(is(row - product(), Tensor<double>{{8.0, 16.0, 24.0}, {2.0, 10.0, 18.0}}));

  Var<double> shared = product();
  const Var<double> handle = shared;
  CHECK(is(std::move(shared) + b, sum));
  CHECK(is(handle, product().value()));
  Var<double> twice = product();
  CHECK(is(std::move(twice) * twice, square(product()).value()));  // NOLINT(bugprone-use-after-move)
  Var<double> p = parameter(full<double>({2, 3}, 1.0));
  const Tensor<double>* kept = &p.value();
  const Var<double> more = std::move(p) + b;
  CHECK(&more.value() != kept);

  // On a tape the operands are kept, and a value of the tape that is written over leaves it.
  p = parameter(full<double>({2, 3}, 3.0));
  Tape tape;
  tape.backward(::unroll::sum((p * p + p * a) * (p * p)));
  CHECK((p.grad() == Tensor<double>(4.0 * 27.0 + 3.0 * 9.0 * a.value())));
  Var<double> recorded = p * b;
  const NoGrad none;
  const Var<double> left = std::move(recorded) * 2.0;
  CHECK_FALSE(left.requires_grad());
  CHECK(is(left, full<double>({2, 3}, 12.0)));
  const DetectNonfinite detect;
  CHECK_THROWS_AS(product() / (b - b) + b, NonfiniteError);
}

TEST_CASE("a value that is written over is new to the tapes that read the earlier one") {
  const Var<double> p = parameter(Tensor<double>{1.0, 2.0});
  Tape tape;
  Var<double> c(Tensor<double>{3.0, 4.0});
  const Var<double> loss = sum(p + c);  // keeps nothing of c
  {
    const NoGrad none;
    Var<double> other = std::move(c) * 2.0;
    other.mutable_value()(0) = 0.0;
  }
  tape.backward(loss);
  CHECK((p.grad() == Tensor<double>{1.0, 1.0}));
}
