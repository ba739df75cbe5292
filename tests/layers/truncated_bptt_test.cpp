// Truncated backpropagation through time.
#include <catch2/catch.hpp>

#include "framework/errors.hpp"
#include "layers/layers.hpp"

using namespace unroll;

TEST_CASE("windows cover a sequence once and say what of each length they hold") {
  CHECK(windows(7, 3) == std::vector<Window>{{0, 3}, {3, 6}, {6, 7}});
  CHECK(windows(6, 3) == std::vector<Window>{{0, 3}, {3, 6}});
  CHECK(windows(2, 9) == std::vector<Window>{{0, 2}});
  CHECK(lengths_in({3, 6}, {7, 5, 3, 0}) == std::vector<Index>{3, 2, 0, 0});
  CHECK(lengths_in({6, 7}, {7, 6}) == std::vector<Index>{1, 0});
  CHECK_THROWS_WITH(windows(5, 0), Catch::Equals("[windows] size: expected >= 1, got 0"));
}

TEST_CASE("windows together give the values of one run, and gradients that end at their borders") {
  Rng rng(61);
  const std::vector<Index> lengths = GENERATE(std::vector<Index>{7, 4, 2}, std::vector<Index>{7},
                                              std::vector<Index>{2}, std::vector<Index>{0, 5});
  for (const bool batch_first : {false, true}) {
    const Lstm<double> lstm({.input = 2, .hidden = 4},
                            {.layers = 2, .batch_first = batch_first, .learn_initial_states = true}, rng);
    const Index axis = batch_first ? 1 : 0;
    Var<double> x(random_normal<double>({7, lengths.size(), 2}, 0.0, 1.0, rng));
    if (batch_first) x = transpose(x, 0, 1);
    const auto whole = lstm(x, {.lengths = lengths});
    std::vector<Var<double>> outputs;
    const auto list = parameters(lstm);
    const auto states = for_each_window(
        lstm, x, 3, {.states = {}, .lengths = lengths}, [&](Tape& tape, const auto& result, Window window) {
          CHECK(Tape::is_recording());
          tape.backward(sum(square(result.output)));
          if (window.first == 0) {
            // The first window alone, on its own tape: the same gradients.
            std::vector<Tensor<double>> got;
            for (const auto& p : list) got.push_back(p.grad());
            Tape own;
            const auto alone = lstm(slice(x, axis, {0, 3}), {.lengths = lengths_in({0, 3}, lengths)});
            const auto want = gradients(std::vector<Var<double>>{sum(square(alone.output))}, list);
            for (std::size_t i = 0; i < list.size(); ++i) CHECK((got[i] == want[i].value()));
          } else {
            // Nothing flows back into the initial states, which the first window began with.
            for (const auto& p : list) {
              if (p.name().find("0_l") == 1) CHECK_FALSE(p.has_grad());
            }
          }
          outputs.push_back(result.output.detach());
        });
    REQUIRE(outputs.size() == 3);
    const Tensor<double> joined = concat(outputs, axis).value();
    for (std::size_t i = 0; i < joined.size(); ++i)
      CHECK(joined.data()[i] == Approx(whole.output.data()[i]).margin(1e-14));
    for (std::size_t k = 0; k < 2; ++k) {
      for (std::size_t i = 0; i < states[k].c.size(); ++i)
        CHECK(states[k].c.data()[i] == Approx(whole.states[k].c.data()[i]).margin(1e-14));
    }
  }
}

TEST_CASE("what makes a window's input is trained along with the layer") {
  Rng rng(63);
  const Linear<double> before(2, 3, rng);
  const Gru<double> gru({.input = 3, .hidden = 4}, rng);
  const Var<double> x(random_normal<double>({5, 2, 2}, 0.0, 1.0, rng));
  const auto part = [&](Window w) { return before(slice(x, 0, {w.first, w.last})); };
  Index seen = 0;
  for_each_window(gru, 5, 2, {}, part, [&](Tape& tape, const auto& result, Window w) {
    tape.backward(sum(square(result.output)));
    CHECK(before.weight.has_grad());
    CHECK(result.output.shape(0) == static_cast<std::size_t>(w.size()));
    seen += w.size();
  });
  CHECK(seen == 5);
}

TEST_CASE("windows refuse what cannot be cut") {
  Rng rng(62);
  const auto ignore = [](Tape&, const auto&, Window) {};
  const Gru<double> both({.input = 2, .hidden = 3}, {.bidirectional = true}, rng);
  const Var<double> x(zeros<double>({5, 2, 2}));
  CHECK_THROWS_WITH(for_each_window(both, x, 2, {}, ignore),
                    Catch::Contains("[Gru.for_each_window] bidirectional: expected false"));
  const Gru<double> gru({.input = 2, .hidden = 3}, rng);
  CHECK_THROWS_AS(for_each_window(gru, x, 0, {}, ignore), ArgumentError);
  CHECK_THROWS_WITH(for_each_window(gru, x, 2, {.states = {}, .lengths = {5, 6}}, ignore),
                    Catch::Equals("[for_each_window] lengths[1]: expected 0..5 (the steps), got 6"));
  CHECK_THROWS_AS(for_each_window(gru, Var<double>(zeros<double>({5, 2})), 2, {}, ignore), ShapeError);
}
