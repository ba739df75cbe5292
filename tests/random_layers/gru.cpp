#include "checks.hpp"

namespace unroll::random_layers {

void run_gru(Draw& draw, bool large) {
  const Round round = large ? draw_large_round(draw) : draw_round(draw, false);
  GruOptions cell;
  cell.bias = draw.one_of<Bias>({Bias::none, Bias::single, Bias::both});
  cell.reset = draw.one_of<GruReset>({GruReset::after, GruReset::before});
  cell.update = draw.one_of<GruUpdate>({GruUpdate::z_keeps, GruUpdate::z_updates});
  if (draw.chance(0.2)) {
    cell.gate_activation = draw.gate(round.smooth);
    cell.activation = draw.activation(round.smooth);
  }
  const std::string name = std::string("Gru reset ") + (cell.reset == GruReset::after ? "after " : "before ");
  check<GruCell<double>>(cell, round, large, name + cell.activation.name());
}

}  // namespace unroll::random_layers
