// Every option of the recurrent family with every other: kernel against tape against central differences.
#include <catch2/catch.hpp>

#include "layers/layers.hpp"
#include "minimal_gated_unit.hpp"

using namespace unroll;

namespace {

struct Case {
  RecurrentOptions options;
  std::vector<Index> lengths;
  std::size_t steps;
  bool training = false;
};

constexpr Index kInput = 3, kHidden = 6, kSecondHidden = 5;
constexpr std::size_t kBatch = 2, kSteps = 4;

// Layers x directions x axis order x lengths x initial states, then the regularisers.
std::vector<Case> cases(bool has_inner_state) {
  std::vector<Case> result;
  const std::vector<std::vector<Index>> lengths{{}, {2, 4}, {4, 0}};
  for (const std::vector<Index>& widths :
       {std::vector<Index>{kHidden}, std::vector<Index>{kHidden, kSecondHidden}}) {
    for (const bool bidirectional : {false, true}) {
      for (const bool learned : {false, true}) {
        for (std::size_t i = 0; i < lengths.size(); ++i) {
          result.push_back({.options = {.widths = widths,
                                        .bidirectional = bidirectional,
                                        .batch_first = i == 1,
                                        .learn_initial_states = learned},
                            .lengths = lengths[i],
                            .steps = kSteps});
        }
        result.push_back(
            {.options = {.widths = widths, .bidirectional = bidirectional, .learn_initial_states = learned},
             .lengths = {},
             .steps = 1});
      }
      const double cell = has_inner_state ? 0.3 : 0.0;
      const auto regularized = [&](RecurrentOptions options, std::vector<Index> of, bool training) {
        options.widths = widths;
        options.bidirectional = bidirectional;
        result.push_back({options, std::move(of), kSteps, training});
      };
      for (const std::vector<Index>& of : {lengths[0], lengths[2]}) {
        regularized({.dropout = 0.3}, of, true);
        regularized({.recurrent_dropout = 0.4}, of, true);
        regularized({.zoneout_hidden = 0.2, .zoneout_cell = cell}, of, true);
        regularized({.zoneout_hidden = 0.2, .zoneout_cell = cell}, of, false);
        regularized({.dropout = 0.2, .recurrent_dropout = 0.3, .zoneout_hidden = 0.1, .zoneout_cell = cell},
                    of, true);
      }
    }
  }
  return result;
}

// The cell with every case; `covered` says whether a kernel is to take part where no regulariser forbids it.
template <class Cell>
void sweep(const char* name, typename Recurrent<Cell>::CellOptions cell, bool covered) {
  DYNAMIC_SECTION(name) {
    cell.input = kInput;
    cell.hidden = kHidden;
    Rng rng(31);
    std::size_t fused = 0, count = 0;
    for (const Case& c : cases(detail::has_inner_state<state_t<Cell>>())) {
      // Every eleventh case with checkpoints as well: 7 cases of different kinds.
      for (const Index every : count % 11 == 0 ? std::vector<Index>{0, 2} : std::vector<Index>{0}) {
        RecurrentOptions options = c.options;
        options.checkpoint_every = every;
        Recurrent<Cell> layer(cell, options, rng);
        layer.training = c.training;
        if (every == 0) fused += layer.path() == Path::fused ? 1U : 0U;
        Shape shape{c.steps, kBatch, kInput};
        if (c.options.batch_first) std::swap(shape[0], shape[1]);
        const Tensor<double> x = random_normal<double>(shape, 0.0, 1.0, rng);
        const auto report =
            verify(layer, x, {.seed = 1 + count, .lengths = c.lengths, .training = c.training});
        INFO("case " << count << ": " << layer.describe() << ", T = " << c.steps << ", "
                     << (c.lengths.empty() ? "equal" : "ragged") << "\n"
                     << report.message);
        CHECK(report);
      }
      ++count;
    }
    CHECK(count == 72);
    // Without a regulariser, and with dropout between layers, everything that has a kernel takes it.
    CHECK(fused == (covered ? 32U + 8U : 0U));
  }
}

}  // namespace

TEST_CASE("the RNN is right with every combination of options") {
  sweep<RnnCell<double>>("tanh", {}, true);
  sweep<RnnCell<double>>("relu", {.activation = Activation::relu()}, true);
  sweep<RnnCell<double>>("one bias", {.bias = Bias::single}, true);
  sweep<RnnCell<double>>("no bias, gelu", {.bias = Bias::none, .activation = Activation::gelu()}, false);
}

TEST_CASE("the LSTM is right with every combination of options") {
  sweep<LstmCell<double>>("plain", {}, true);
  sweep<LstmCell<double>>("projection", {.projection = 4}, true);
  sweep<LstmCell<double>>("no bias", {.bias = Bias::none}, true);
}

TEST_CASE("the LSTM's variants are right with every combination of options") {
  sweep<LstmCell<double>>("peepholes", {.peepholes = true}, false);
  sweep<LstmCell<double>>("layer norm", {.layer_norm = true}, false);
  sweep<LstmCell<double>>("coupled", {.coupled = true}, false);
  sweep<LstmCell<double>>(
      "other activations",
      {.bias = Bias::single,
       .gate_activation = Activation::hard_sigmoid(),
       .activation = Activation("softsign", [](const auto& x) { return x / (1.0 + abs(x)); }),
       .output_activation = Activation::identity()},
      false);
}

TEST_CASE("the LSTM is right with all of its variants at once") {
  sweep<LstmCell<double>>("all",
                          {.projection = 4,
                           .bias = Bias::single,
                           .peepholes = true,
                           .layer_norm = true,
                           .coupled = true,
                           .recurrent_init = RecurrentInit::orthogonal},
                          false);
}

TEST_CASE("the GRU is right with every combination of options") {
  for (const auto reset : {GruReset::after, GruReset::before}) {
    const std::string place = reset == GruReset::after ? "reset after" : "reset before";
    sweep<GruCell<double>>((place + ", z keeps").c_str(), {.reset = reset}, true);
    sweep<GruCell<double>>((place + ", z updates, one bias").c_str(),
                           {.bias = Bias::single, .reset = reset, .update = GruUpdate::z_updates}, true);
    sweep<GruCell<double>>((place + ", no bias, other activations").c_str(),
                           {.bias = Bias::none,
                            .reset = reset,
                            .gate_activation = Activation::hard_sigmoid(),
                            .activation = Activation::elu()},
                           false);
  }
}

TEST_CASE("a user's cell is right with every combination of options") {
  sweep<test::MinimalGatedUnit<double>>("minimal gated unit", {}, false);
}
