#include "checks.hpp"

namespace unroll::random_layers {

void run_lstm(Draw& draw, bool large) {
  const Round round = large ? draw_large_round(draw) : draw_round(draw, true);
  LstmOptions cell;
  std::string name = "Lstm";
  cell.bias = draw.one_of<Bias>({Bias::none, Bias::single, Bias::both});
  // Below the hidden size of every layer, and of a cell's own.
  const Index smallest = std::min(round.hidden, round.smallest_width());
  if (smallest > 1 && draw.chance(0.3)) cell.projection = draw.between(1, smallest - 1);
  if (cell.projection > 0) name += " projection " + std::to_string(cell.projection);
  if (draw.chance(0.2)) cell.peepholes = true, name += " peepholes";
  if (draw.chance(0.2)) cell.layer_norm = true, name += " layer_norm";
  if (draw.chance(0.2)) cell.coupled = true, name += " coupled";
  if (cell.bias != Bias::none && !cell.coupled && draw.chance(0.3)) cell.forget_bias = 1.0;
  if (draw.chance(0.15)) {
    cell.gate_activation = draw.gate(round.smooth);
    cell.activation = draw.activation(round.smooth);
    cell.output_activation = draw.activation(round.smooth);
    name += " " + cell.gate_activation.name() + " " + cell.activation.name() + " " +
            cell.output_activation.name();
  }
  const Tolerances normed{.same = 1e-9, .path = 1e-8, .near_float = 1e-1, .near_float_gradient = 1e300};
  check<LstmCell<double>>(cell, round, large, name, cell.layer_norm ? normed : Tolerances{});
}

}  // namespace unroll::random_layers
