// Every option of the recurrent family with every other: kernel against tape against central differences.
#include <catch2/catch.hpp>

#include "examples/gallery/indrnn.hpp"
#include "examples/gallery/mingru.hpp"
#include "examples/gallery/slstm.hpp"
#include "examples/gallery/sru.hpp"
#include "layers/layers.hpp"
#include "minimal_gated_unit.hpp"

using namespace unroll;

namespace {

// Small ones are as small as the cell allows: one unit, above a projection's size.
struct Sizes {
  std::size_t steps, batch;
  std::vector<Index> lengths;
  bool small = false, batch_first = false;
};

struct Case {
  RecurrentOptions options;
  Sizes sizes;
  bool training = false;
};

constexpr Index kInput = 3, kHidden = 6, kSecondHidden = 5;

const std::vector<Sizes> kSizes{{4, 2, {}},
                                {4, 2, {2, 4}, false, true},
                                {4, 2, {4, 0}},
                                {1, 2, {}},
                                // A batch of one, which ends with its padding, before it, or has not begun.
                                {4, 1, {2}},
                                {4, 1, {}, true},
                                {4, 1, {4}, true},
                                {4, 1, {3}, true, true},
                                {4, 1, {0}, true},
                                {1, 1, {}, true},
                                {1, 1, {0}, true},
                                {1, 2, {1, 0}, true},
                                {2, 3, {0, 0, 0}, true}};

// Layers x directions x initial states x sizes, then the regularisers.
std::vector<Case> cases(bool has_inner_state, Index smallest) {
  std::vector<Case> result;
  for (const bool two : {false, true}) {
    const auto widths_of = [&](const Sizes& sizes) {
      std::vector<Index> widths{sizes.small ? smallest : kHidden};
      if (two) widths.push_back(sizes.small ? smallest : kSecondHidden);
      return widths;
    };
    for (const bool bidirectional : {false, true}) {
      for (const bool learned : {false, true}) {
        for (const Sizes& sizes : kSizes) {
          result.push_back({.options = {.widths = widths_of(sizes),
                                        .bidirectional = bidirectional,
                                        .batch_first = sizes.batch_first,
                                        .learn_initial_states = learned},
                            .sizes = sizes});
        }
      }
      const double cell = has_inner_state ? 0.3 : 0.0;
      const auto regularized = [&](RecurrentOptions options, const Sizes& of, bool training) {
        options.widths = widths_of(of);
        options.bidirectional = bidirectional;
        result.push_back({options, of, training});
      };
      for (const Sizes& of : {kSizes[0], kSizes[2], kSizes[7], kSizes[8]}) {
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
    cell.hidden = kHidden;
    Index smallest = 1;
    if constexpr (requires { cell.projection; }) smallest += cell.projection;
    Rng rng(31);
    std::size_t fused = 0, count = 0;
    for (const Case& c : cases(detail::has_inner_state<state_t<Cell>>(), smallest)) {
      cell.input = c.sizes.small ? 1 : kInput;
      // Every eleventh case with checkpoints as well: cases of different kinds.
      for (const Index every : count % 11 == 0 ? std::vector<Index>{0, 2} : std::vector<Index>{0}) {
        RecurrentOptions options = c.options;
        options.checkpoint_every = every;
        Recurrent<Cell> layer(cell, options, rng);
        layer.training = c.training;
        if (every == 0) fused += layer.path() == Path::fused ? 1U : 0U;
        Shape shape{c.sizes.steps, c.sizes.batch, static_cast<std::size_t>(cell.input)};
        if (c.options.batch_first) std::swap(shape[0], shape[1]);
        const Tensor<double> x = random_normal<double>(shape, 0.0, 1.0, rng);
        const auto report =
            verify(layer, x, {.seed = 1 + count, .lengths = c.sizes.lengths, .training = c.training});
        INFO("case " << count << ": " << layer.extra_repr() << ", T = " << c.sizes.steps << ", B = "
                     << c.sizes.batch << ", " << (c.sizes.lengths.empty() ? "equal" : "ragged") << "\n"
                     << report.message);
        CHECK(report);
      }
      ++count;
    }
    const std::size_t plain = 8 * kSizes.size();
    CHECK(count == plain + 80);
    // Without a regulariser, and with dropout between layers, everything that has a kernel takes it.
    CHECK(fused == (covered ? plain + 16 : 0U));
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

TEST_CASE("the minimal gated unit is right with every combination of options") {
  sweep<MguCell<double>>("minimal gated unit", {}, true);
  sweep<MguCell<double>>("minimal gated unit, one bias", {.bias = Bias::single}, true);
  sweep<MguCell<double>>("minimal gated unit, no bias",
                         {.bias = Bias::none, .recurrent_init = RecurrentInit::orthogonal}, true);
}

TEST_CASE("a user's cell is right with every combination of options") {
  sweep<test::MinimalGatedUnit<double>>("a cell with steps alone", {}, false);
}

TEST_CASE("the gallery's cells are right with every combination of options") {
  sweep<gallery::MinGruCell<double>>("minGRU", {}, false);
  sweep<gallery::MinGruCell<double>>("minGRU, g(u) = u", {.positive = false}, false);
  sweep<gallery::IndRnnCell<double>>("IndRNN", {.activation = Activation::tanh()}, false);
  sweep<gallery::SruCell<double>>("SRU", {.highway_bias = -0.5}, false);
  sweep<gallery::SruCell<double>>("SRU, tanh, no skip term", {.use_tanh = true, .has_skip_term = false},
                                  false);
  sweep<gallery::SlstmCell<double>>("sLSTM", {}, false);
}
