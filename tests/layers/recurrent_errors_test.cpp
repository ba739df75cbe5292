// What a recurrent layer says when it is given what does not fit.
#include <catch2/catch.hpp>

#include "framework/anomaly.hpp"
#include "framework/errors.hpp"
#include "layers/layers.hpp"

using namespace unroll;
using Catch::Contains;
using Catch::Equals;

namespace {

struct Model {
  Lstm<float> encoder;
  static void each(auto& self, auto&& visit) { visit("encoder", self.encoder); }
  using Scalar = float;
};

LstmState<float> state_of(std::size_t batch, std::size_t hidden) {
  return {Var<float>(zeros<float>({batch, hidden})), Var<float>(zeros<float>({batch, hidden}))};
}

}  // namespace

TEST_CASE("a recurrent layer says which input it wants and what it got") {
  Rng rng(16);
  const Lstm<float> lstm({.input = 3, .hidden = 4}, rng);
  CHECK_THROWS_WITH(lstm(Var<float>(zeros<float>({5, 2, 7}))),
                    Equals("[Lstm.forward] input: expected (T,B,3), got (5,2,7)"));
  CHECK_THROWS_WITH(lstm(Var<float>(zeros<float>({5, 3}))),
                    Equals("[Lstm.forward] input: expected (T,B,3), got (5,3) (a single sequence needs a "
                           "batch axis of size 1)"));
  CHECK_THROWS_AS(lstm(Var<float>(zeros<float>({0, 2, 3}))), ShapeError);
  const Gru<float> batch_major({.input = 3, .hidden = 4}, {.batch_first = true}, rng);
  CHECK_THROWS_WITH(batch_major(Var<float>(zeros<float>({5, 2, 4}))), Contains("(B,T,3)"));
  CHECK_THROWS_WITH(lstm.step(Var<float>(zeros<float>({2, 4}))), Contains("(T,B,3), got (1,2,4)"));
}

TEST_CASE("a recurrent layer in a model is called by its path") {
  Rng rng(16);
  const Model model{Lstm<float>({.input = 3, .hidden = 4}, rng)};
  parameters(model);  // gives the parameters their dotted names
  CHECK_THROWS_WITH(model.encoder(Var<float>(zeros<float>({5, 2, 7}))),
                    Equals("[encoder (Lstm).forward] input: expected (T,B,3), got (5,2,7)"));
}

TEST_CASE("a recurrent layer says which lengths it wants") {
  Rng rng(16);
  const Lstm<float> lstm({.input = 3, .hidden = 4}, rng);
  const Var<float> x(zeros<float>({5, 2, 3}));
  CHECK_THROWS_WITH(lstm(x, {.lengths = {1}}),
                    Equals("[Lstm.forward] lengths: expected 2 entries (one per sequence), got 1"));
  CHECK_THROWS_WITH(lstm(x, {.lengths = {1, 6}}),
                    Equals("[Lstm.forward] lengths[1]: expected 0..5 (the input's T), got 6"));
  CHECK_THROWS_AS(lstm(x, {.lengths = {1, -1}}), ArgumentError);
}

TEST_CASE("a recurrent layer refuses the states of another layer") {
  Rng rng(16);
  const Lstm<float> lstm({.input = 3, .hidden = 4}, rng);
  const Var<float> x(zeros<float>({5, 2, 3}));
  CHECK_THROWS_WITH(lstm(x, {.states = {state_of(2, 3)}}),
                    Equals("[Lstm.forward] states[0].h: expected (2,4) (batch, features), got (2,3) (the "
                           "states of another layer or batch?)"));
  const LstmState<float> mixed{Var<float>(zeros<float>({2, 4})), Var<float>(zeros<float>({3, 4}))};
  CHECK_THROWS_WITH(lstm(x, {.states = {mixed}}),
                    Contains("states[0].c: expected (2,4)") && Contains("got (3,4)"));
  CHECK_THROWS_WITH(lstm(x, {.states = {state_of(2, 4), state_of(2, 4)}}),
                    Equals("[Lstm.forward] states: expected 1 entries (one per layer and direction), got 2"));
  const Lstm<float> stacked({.input = 3, .hidden = 4}, {.widths = {4, 6}}, rng);
  CHECK_THROWS_WITH(stacked(x, {.states = {state_of(2, 4), state_of(2, 4)}}),
                    Contains("states[1].h: expected (2,6)") && Contains("got (2,4)"));
}

TEST_CASE("a recurrent layer refuses options out of range") {
  Rng rng(16);
  const auto rnn = [&](const RecurrentOptions& options) {
    return Rnn<float>({.input = 3, .hidden = 2}, options, rng);
  };
  CHECK_THROWS_WITH((Lstm<float>({.input = 3, .hidden = 0}, rng)),
                    Equals("[Lstm] input and hidden: expected sizes >= 1, got 3 and 0"));
  CHECK_THROWS_AS((Lstm<float>({.input = 0, .hidden = 2}, rng)), ArgumentError);
  CHECK_THROWS_AS((Gru<float>({.input = 3, .hidden = -2}, rng)), ArgumentError);
  CHECK_THROWS_WITH((Lstm<float>({.input = 2, .hidden = 2, .projection = 2}, rng)),
                    Equals("[Lstm] projection: expected 0 (none) or 1..1 (below hidden), got 2"));
  CHECK_THROWS_WITH((Lstm<float>({.input = 2, .hidden = 6, .projection = 5}, {.widths = {6, 5}}, rng)),
                    Contains("projection: expected 0 (none) or 1..4"));
  CHECK_THROWS_WITH((Lstm<float>({.input = 2, .hidden = 3, .bias = Bias::none, .forget_bias = 1.0}, rng)),
                    Contains("forget_bias: needs a bias"));
  CHECK_THROWS_WITH((Lstm<float>({.input = 2, .hidden = 3, .coupled = true, .forget_bias = 1.0}, rng)),
                    Contains("forget_bias: needs a forget gate"));
  CHECK_THROWS_WITH(rnn({.layers = 0}), Equals("[Rnn] layers: expected >= 1, got 0"));
  CHECK_THROWS_WITH(rnn({.layers = 3, .widths = {4, 5}}),
                    Equals("[Rnn] widths: expected one for each of the 3 layers, got 2"));
  CHECK_THROWS_WITH(rnn({.widths = {4, 0}}), Contains("hidden: expected sizes >= 1, got 4 and 0"));
  CHECK_THROWS_WITH(rnn({.dropout = 1.0}), Equals("[Rnn] dropout: expected 0 <= p < 1, got 1"));
  CHECK_THROWS_WITH(rnn({.recurrent_dropout = -0.5}),
                    Equals("[Rnn] recurrent_dropout: expected 0 <= p < 1, got -0.5"));
  CHECK_THROWS_WITH(rnn({.zoneout_hidden = 1.5}), Contains("zoneout_hidden: expected 0 <= p < 1, got 1.5"));
  CHECK_THROWS_WITH(rnn({.zoneout_cell = 0.1}), Contains("zoneout_cell: needs a state besides h"));
}

TEST_CASE("the fused path is refused by the name of the option that it does not cover") {
  Rng rng(16);
  const auto want = [](const std::string& fallback_reason) {
    return Contains("got fused, which does not: " + fallback_reason + " (use Path::automatic)");
  };
  const RecurrentOptions fused{.path = Path::fused};
  CHECK_THROWS_WITH((Lstm<float>({.input = 2, .hidden = 3, .peepholes = true}, fused, rng)),
                    want("peepholes"));
  CHECK_THROWS_WITH((Lstm<float>({.input = 2, .hidden = 3, .layer_norm = true}, fused, rng)),
                    want("layer_norm"));
  CHECK_THROWS_WITH((Lstm<float>({.input = 2, .hidden = 3, .coupled = true}, fused, rng)), want("coupled"));
  CHECK_THROWS_WITH((Rnn<float>({.input = 2, .hidden = 3, .activation = Activation::gelu()}, fused, rng)),
                    want("activation"));
  {
    const DetectNonfinite detect;
    CHECK_THROWS_WITH((Lstm<float>({.input = 2, .hidden = 3, .coupled = true}, fused, rng)), want("coupled"));
    CHECK_NOTHROW(Lstm<float>({.input = 2, .hidden = 3}, fused, rng));
  }
  Gru<float> gru({.input = 2, .hidden = 3}, {.zoneout_hidden = 0.1}, rng);
  CHECK_THROWS_WITH(gru.set_path(Path::fused), want("zoneout_hidden"));
  CHECK(gru.options().path == Path::automatic);
  Gru<float> dropped({.input = 2, .hidden = 3}, {.recurrent_dropout = 0.1}, rng);
  CHECK_THROWS_WITH(dropped.set_path(Path::fused), want("recurrent_dropout while training"));
  dropped.training = false;
  dropped.set_path(Path::fused);
  const Var<float> x(zeros<float>({3, 2, 2}));
  CHECK_NOTHROW(dropped(x));
  dropped.training = true;
  CHECK_THROWS_WITH(dropped(x), want("recurrent_dropout while training"));
}

TEST_CASE("a bidirectional layer does not stream") {
  Rng rng(16);
  const Gru<float> gru({.input = 2, .hidden = 3}, {.bidirectional = true}, rng);
  CHECK_THROWS_WITH(
      gru.step(Var<float>(zeros<float>({2, 2}))),
      Equals("[Gru.step] bidirectional: expected false (the backward direction needs the whole sequence)"));
}
