#include "checks.hpp"

namespace unroll::random_layers {

void run_mgu(Draw& draw, bool large) {
  const Round round = large ? draw_large_round(draw) : draw_round(draw, false);
  MguOptions cell;
  cell.bias = draw.one_of<Bias>({Bias::none, Bias::single, Bias::both});
  cell.recurrent_init = draw.one_of<RecurrentInit>({RecurrentInit::uniform, RecurrentInit::orthogonal});
  check<MguCell<double>>(cell, round, large, "Mgu");
}

}  // namespace unroll::random_layers
