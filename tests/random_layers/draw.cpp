#include "draw.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

namespace unroll::random_layers {

Activation Draw::activation(bool smooth) {
  static const std::vector<Activation> kSmooth{
      Activation::tanh(), Activation::sigmoid(), Activation::gelu(), Activation::identity(),
      Activation("softsign", [](const auto& x) { return x / (1.0 + abs(x)); })};
  static const std::vector<Activation> kAll{Activation::relu(), Activation::leaky_relu(0.1),
                                            Activation::elu(0.7), Activation::softplus(), Activation::tanh()};
  return one_of(smooth ? kSmooth : kAll);
}

Activation Draw::gate(bool smooth) {
  return smooth ? Activation::sigmoid()
                : one_of<Activation>({Activation::sigmoid(), Activation::hard_sigmoid()});
}

Index Round::smallest_width() const {
  return options.widths.empty() ? hidden : *std::min_element(options.widths.begin(), options.widths.end());
}

namespace {

// None, all alike, or each from 0 to T.
std::vector<Index> draw_lengths(Draw& draw, std::size_t steps, std::size_t batch) {
  std::vector<Index> lengths;
  if (draw.chance(0.3)) return lengths;
  const auto T = static_cast<Index>(steps);
  if (draw.chance(0.15)) return std::vector<Index>(batch, draw.between(0, T));
  for (std::size_t b = 0; b < batch; ++b) {
    lengths.push_back(draw.chance(0.2) ? 0 : draw.chance(0.2) ? T : draw.between(0, T));
  }
  return lengths;
}

void draw_layers(Draw& draw, Round& round, const std::vector<Index>& sizes) {
  round.hidden = draw.one_of(sizes);
  if (const Index layers = draw.chance(0.5) ? 1 : draw.between(2, 3); draw.chance(0.5)) {
    round.options.layers = layers;
  } else {
    for (Index l = 0; l < layers; ++l) round.options.widths.push_back(draw.one_of(sizes));
  }
}

}  // namespace

Round draw_round(Draw& draw, bool has_inner_state) {
  Round round;
  round.input = draw.size();
  draw_layers(draw, round, {draw.size(), draw.size(), draw.size()});
  round.steps = static_cast<std::size_t>(draw.chance(0.2) ? 1 : draw.between(2, 7));
  round.batch = static_cast<std::size_t>(draw.chance(0.4) ? 1 : draw.between(2, 5));
  round.lengths = draw_lengths(draw, round.steps, round.batch);
  RecurrentOptions& options = round.options;
  options.bidirectional = draw.chance(0.4);
  options.batch_first = draw.chance(0.4);
  options.learn_initial_states = draw.chance(0.3);
  if (draw.chance(0.3)) options.dropout = 0.3;
  if (draw.chance(0.15)) options.recurrent_dropout = 0.25;
  if (draw.chance(0.15)) options.zoneout_hidden = 0.2;
  if (has_inner_state && draw.chance(0.15)) options.zoneout_cell = 0.3;
  if (draw.chance(0.25)) options.checkpoint_every = draw.between(1, 8);
  if (options.checkpoint_every == 0 && draw.chance(0.1)) options.checkpoint_bytes = draw.between(1, 20'000);
  if (draw.chance(0.1)) options.path = Path::tape;
  round.training = draw.chance(0.5);
  round.states_given = draw.chance(0.5);
  round.smooth = draw.chance(0.7);
  round.threads = static_cast<int>(draw.between(1, 3));
  round.window = draw.between(1, static_cast<Index>(round.steps) + 1);
  round.seed = draw.seed();
  return round;
}

Round draw_large_round(Draw& draw) {
  Round round;
  round.input = draw.between(1, 200);
  draw_layers(draw, round, {1, 96, 128, 160, 256, 257, 384});
  round.steps = static_cast<std::size_t>(draw.between(1, 24));
  round.batch = static_cast<std::size_t>(draw.chance(0.3) ? 1 : draw.between(2, 20));
  round.lengths = draw_lengths(draw, round.steps, round.batch);
  round.options.bidirectional = draw.chance(0.4);
  round.options.batch_first = draw.chance(0.4);
  round.options.learn_initial_states = draw.chance(0.3);
  if (draw.chance(0.2)) round.options.checkpoint_every = draw.between(1, 8);
  round.states_given = draw.chance(0.5);
  round.threads = static_cast<int>(draw.between(2, 3));
  round.seed = draw.seed();
  return round;
}

std::string describe(const Round& round) {
  return fmt::format(
      "T {}, B {}, lengths [{}], hidden {}, widths [{}], batch_first {}, training {}, states {}, "
      "learned {}, threads {}, window {}, dropout {}, recurrent {}, zoneout {} {}",
      round.steps, round.batch, fmt::join(round.lengths, " "), round.hidden,
      fmt::join(round.options.widths, " "), round.options.batch_first, round.training,
      round.states_given ? "given" : "none", round.options.learn_initial_states, round.threads, round.window,
      round.options.dropout, round.options.recurrent_dropout, round.options.zoneout_hidden,
      round.options.zoneout_cell);
}

}  // namespace unroll::random_layers
