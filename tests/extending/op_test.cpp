// docs/extending.md, an op: the fragments of its four places, put together beside the library's own.
#include "framework/ops/apply.hpp"
// The table's function_row, which is in no header.
#include "tests/framework/ops_pointwise_test.cpp"

#include <xsimd/xsimd.hpp>

namespace unroll {
namespace {

// Stands for the catalogue of kernels/pointwise.hpp and its formulas.
template <class S>
struct Formulas {
  void (*atan)(const S*, S*, std::size_t) noexcept;
};
template <class S, class F>
constexpr auto unary(F) {
  return [](const S* x, S* y, std::size_t n) noexcept {
    xsimd::batch<S> result;
    for (std::size_t i = 0; i < n; ++i) {
      result = F{}(xsimd::batch<S>(x[i]));
      y[i] = result.get(0);
    }
  };
}
template <class S>
const Formulas<S>& pointwise() {
  using B = const xsimd::batch<S>&;
  static constexpr Formulas<S> formulas{
#include "fragments/atan_formula.inc"
  };
  return formulas;
}

using detail::apply;

}  // namespace

#include "fragments/atan_declaration.inc"
#include "fragments/atan_rule.inc"

}  // namespace unroll

namespace unroll::test {

TEST_CASE("the op of the tutorial passes the table's checks", "[extending]") {
  const std::vector<Row> rows{
#include "fragments/atan_row.inc"
  };
  for (const Row& row : rows) check(row);
}

}  // namespace unroll::test
