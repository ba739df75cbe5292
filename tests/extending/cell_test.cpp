// docs/extending.md, a recurrent cell.
// The sweep over all options, which is in no header.
#include "tests/layers/recurrent_sweep_test.cpp"

#include "layers/leaky.hpp"

#include "fragments/leaky_sweep.inc"

TEST_CASE("the cell of the tutorial agrees with central differences and checks its options", "[extending]") {
  Rng rng(7);
  const Tensor<double> x = random_normal<double>({5, 3, 2}, 0.0, 1.0, rng);
  const RecurrentOptions options{.layers = 2, .bidirectional = true};
  const auto check = [&](const auto& layer) {
    const auto report = verify(layer, x, {.lengths = {3, 5, 1}});
    INFO(report.message);
    CHECK(report);
  };
#include "fragments/leaky_check.inc"
  CHECK_THROWS_WITH(Leaky<double>({.input = 2, .hidden = 4, .leak = 1.5}, rng),
                    Catch::Contains("[Leaky] leak"));
}
