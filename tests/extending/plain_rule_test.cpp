// docs/extending.md, a rule in plain numbers.
#include "diagonal_rnn.hpp"

#include <catch2/catch.hpp>

using namespace unroll;

TEST_CASE("the rule in plain numbers is right and refuses second derivatives by name", "[extending]") {
  Rng rng(4);
#include "fragments/diagonal_rnn_check.inc"
  INFO(report.message);
  CHECK(report);

  const Var<double> x = parameter(random_normal<double>({4, 3}, 0.0, 1.0, rng)),
                    h0 = parameter(random_normal<double>({3}, 0.0, 1.0, rng)),
                    w = parameter(random_normal<double>({3}, 0.0, 1.0, rng));
  const auto step_by_step = [&] {
    Var<double> h = h0;
    for (Index t = 0; t < 4; ++t) h = tanh(select(x, 0, t) + w * h);
    return h;
  };
  const Tape tape;
  const Var<double> last = diagonal_rnn(x, h0, w).second;
  CHECK(xt::allclose(last.value(), step_by_step().value(), 0.0, 1e-15));
  const auto with = gradients<double>({sum(last)}, {w}),
             without = gradients<double>({sum(step_by_step())}, {w});
  CHECK(xt::allclose(with[0].value(), without[0].value(), 0.0, 1e-14));
  CHECK_THROWS_WITH(
      gradients<double>({sum(last)}, {w}, {}, true),
      Catch::StartsWith("[diagonal_rnn] rule: expected one written with ops, got one in plain numbers "
                        "(first_order)"));
}
