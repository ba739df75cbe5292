// docs/extending.md, an optimizer.
#include <catch2/catch.hpp>

#include "optim/lion.hpp"
#include "tests/optim/gradients.hpp"
// The table's row(), which is in no header.
#include "tests/optim/optimizer_table.cpp"

namespace optimizer_table {
namespace {

#include "fragments/lion_reference.inc"

}  // namespace

TEST_CASE("the optimizer of the tutorial gives its row's numbers and follows its reference", "[extending]") {
  const std::vector<Row> table{
#include "fragments/lion_row.inc"
  };
  for (const Row& r : table) {
    const Var<double> p = parameter(from_values<double>({3}, {0.5, -1.2, 2.0}));
    const auto optimizer = r.make({p});
    std::vector<double> expected(p.data(), p.data() + 3);
    std::vector<Reference> references{r.reference(), r.reference(), r.reference()};
    for (int t = 1; t <= 6; ++t) {
      Tape tape;
      Tensor<double> g = zeros<double>({3});
      for (std::size_t i = 0; i < 3; ++i) {
        const auto k = static_cast<double>(i);
        g(i) = std::cos(1.3 * t + 0.7 * k) * (1.0 + k);
        expected[i] = references[i](expected[i], g(i));
      }
      set_gradient(tape, p, g);
      optimizer->step();
    }
    for (std::size_t i = 0; i < 3; ++i) {
      CHECK(p.value()(i) == Approx(r.pytorch[i]).epsilon(1e-13).margin(1e-14));
      CHECK(p.value()(i) == Approx(expected[i]).epsilon(1e-13).margin(1e-14));
    }
  }
}

}  // namespace optimizer_table
