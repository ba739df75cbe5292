#include "checks.hpp"

namespace unroll::random_layers {

void run_rnn(Draw& draw, bool large) {
  const Round round = large ? draw_large_round(draw) : draw_round(draw, false);
  RnnOptions cell;
  cell.bias = draw.one_of<Bias>({Bias::none, Bias::single, Bias::both});
  if (!round.smooth && draw.chance(0.5)) {
    cell.activation = Activation::relu();
  } else if (draw.chance(0.3)) {
    cell.activation = draw.activation(round.smooth);
  }
  cell.recurrent_init = draw.one_of<RecurrentInit>({RecurrentInit::uniform, RecurrentInit::orthogonal});
  check<RnnCell<double>>(cell, round, large, "Rnn " + cell.activation.name());
}

}  // namespace unroll::random_layers
