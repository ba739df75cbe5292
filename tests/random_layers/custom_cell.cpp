#include "checks.hpp"
#include "tests/layers/minimal_gated_unit.hpp"

namespace unroll::random_layers {

void run_custom_cell(Draw& draw) {
  check<test::MinimalGatedUnit<double>>({}, draw_round(draw, false), false, "minimal gated unit");
}

}  // namespace unroll::random_layers
