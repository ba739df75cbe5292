#include <catch2/catch.hpp>

#include "layers/layers.hpp"

using namespace unroll;

TEST_CASE("every cell's kernel agrees with the tape and with central differences") {
  Rng rng(7);
  const Tensor<double> x = random_normal<double>({5, 3, 2}, 0.0, 1.0, rng);
  const std::vector<std::vector<Index>> ragged{{}, {3, 5, 1}, {2, 0, 4}};
  for (const auto& lengths : ragged) {
    for (const bool bidirectional : {false, true}) {
      for (const Index layers : {Index{1}, Index{2}}) {
        const RecurrentOptions options{.layers = layers, .bidirectional = bidirectional};
        const auto check = [&](const auto& layer) {
          const auto report = verify(layer, x, {.lengths = lengths});
          INFO(report.message);
          CHECK(report);
          CHECK(report.worst_analytic < 1e-13);
        };
        check(Rnn<double>({.input = 2, .hidden = 4}, options, rng));
        check(Rnn<double>({.input = 2, .hidden = 4, .activation = RnnActivation::relu}, options, rng));
        check(Lstm<double>({.input = 2, .hidden = 4}, options, rng));
        check(Lstm<double>({.input = 2, .hidden = 4, .projection = 3}, options, rng));
        for (const auto reset : {GruReset::after, GruReset::before}) {
          for (const auto update : {GruUpdate::z_keeps, GruUpdate::z_updates}) {
            check(Gru<double>({.input = 2, .hidden = 4, .reset = reset, .update = update}, options, rng));
          }
        }
      }
    }
  }
}
