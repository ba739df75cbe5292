// Recurrent dropout and zoneout: which masks, when, and what is done in evaluation.
#include <catch2/catch.hpp>
#include <cmath>
#include <limits>

#include "layers/layers.hpp"
#include "minimal_gated_unit.hpp"

using namespace unroll;

namespace {

// h' = h: what a mask does to h is all that happens.
Rnn<double> identity_rnn(std::size_t hidden, const RecurrentOptions& options, Rng& rng) {
  Rnn<double> rnn({.input = 1,
                   .hidden = static_cast<Index>(hidden),
                   .bias = Bias::none,
                   .activation = Activation::identity()},
                  options, rng);
  for (std::size_t layer = 0; layer < rnn.cells().size(); ++layer) {
    auto& cell = rnn.cells()[layer];
    cell.weight_ih.mutable_value() = zeros<double>(cell.weight_ih.shape());
    cell.weight_hh.mutable_value() = zeros<double>(cell.weight_hh.shape());
    for (std::size_t j = 0; j < hidden; ++j) cell.weight_hh.mutable_value()(j, j) = 1.0;
  }
  return rnn;
}

}  // namespace

TEST_CASE("recurrent dropout uses one mask for all steps of a sequence, and none in evaluation") {
  Rng rng(51);
  constexpr std::size_t T = 4, B = 60, H = 50;
  Rnn<double> rnn = identity_rnn(H, {.recurrent_dropout = 0.25}, rng);
  const Var<double> x(zeros<double>({T, B, 1})), h0(ones<double>({B, H}));
  const auto result = rnn(x, {.states = {h0}});
  std::size_t dropped = 0, columns_of_two_values = 0;
  for (std::size_t b = 0; b < B; ++b) {
    for (std::size_t j = 0; j < H; ++j) {
      const bool zero = result.output.value()(0, b, j) == 0.0;
      dropped += zero ? 1U : 0U;
      for (std::size_t t = 0; t < T; ++t) {
        const double want = zero ? 0.0 : std::pow(1.0 / 0.75, static_cast<double>(t + 1));
        REQUIRE(result.output.value()(t, b, j) == Approx(want));
      }
    }
  }
  CHECK(static_cast<double>(dropped) / (B * H) == Approx(0.25).margin(0.03));
  // Every sequence has a mask of its own.
  for (std::size_t j = 0; j < H; ++j) {
    bool some = false, none = false;
    for (std::size_t b = 0; b < B; ++b) (result.output.value()(0, b, j) == 0.0 ? none : some) = true;
    columns_of_two_values += some && none ? 1U : 0U;
  }
  CHECK(columns_of_two_values == H);

  set_training(rnn, false);
  CHECK((rnn(x, {.states = {h0}}).output.value() == ones<double>({T, B, H})));
}

TEST_CASE("recurrent dropout leaves the h that a GRU carries over alone") {
  // z = 1 keeps h: a mask on what the products read changes nothing.
  Rng rng(52);
  Gru<double> gru({.input = 2, .hidden = 6}, {.recurrent_dropout = 0.5}, rng);
  auto& cell = gru.cells()[0];
  cell.weight_hh.mutable_value() = zeros<double>(cell.weight_hh.shape());
  for (std::size_t j = 6; j < 12; ++j) cell.bias_ih.mutable_value()(j) = 1000.0;
  const Var<double> h0(random_normal<double>({3, 6}, 0.0, 1.0, rng));
  const auto result = gru(Var<double>(zeros<double>({4, 3, 2})), {.states = {h0}});
  CHECK(result.states[0].value() == h0.value());
}

TEST_CASE("a GRU's recurrent products read h through the mask, with the reset in either place") {
  // r = 1, z = 0 and W_hn = 1: h' = tanh(mask h / (1-p)).
  for (const auto reset : {GruReset::after, GruReset::before}) {
    Rng rng(57);
    constexpr std::size_t B = 20, H = 30;
    Gru<double> gru({.input = 2, .hidden = H, .bias = Bias::single, .reset = reset},
                    {.recurrent_dropout = 0.4}, rng);
    auto& cell = gru.cells()[0];
    cell.weight_hh.mutable_value() = zeros<double>(cell.weight_hh.shape());
    for (std::size_t j = 0; j < H; ++j) {
      cell.weight_hh.mutable_value()(2 * H + j, j) = 1.0;
      cell.bias_ih.mutable_value()(j) = 1000.0;
      cell.bias_ih.mutable_value()(H + j) = -1000.0;
      cell.bias_ih.mutable_value()(2 * H + j) = 0.0;
    }
    const auto result =
        gru(Var<double>(zeros<double>({3, B, 2})), {.states = {Var<double>(ones<double>({B, H}))}});
    std::size_t dropped = 0;
    for (std::size_t b = 0; b < B; ++b) {
      for (std::size_t j = 0; j < H; ++j) {
        const bool zero = result.output.value()(0, b, j) == 0.0;
        dropped += zero ? 1U : 0U;
        double h = 1.0;
        for (std::size_t t = 0; t < 3; ++t) {
          h = zero ? 0.0 : std::tanh(h / 0.6);
          REQUIRE(result.output.value()(t, b, j) == Approx(h).margin(1e-15));
        }
      }
    }
    CHECK(static_cast<double>(dropped) / (B * H) == Approx(0.4).margin(0.07));
  }
}

TEST_CASE("recurrent dropout and zoneout also work for a cell that has step() alone") {
  Rng rng(53);
  const Var<double> x(random_normal<double>({5, 3, 2}, 0.0, 1.0, rng));
  Recurrent<test::MinimalGatedUnit<double>> layer({.input = 2, .hidden = 4},
                                                  {.recurrent_dropout = 0.5, .zoneout_hidden = 0.3}, rng);
  layer.reseed(1);
  const Tensor<double> first = layer(x).output.value();
  CHECK((layer(x).output.value() != first));
  layer.reseed(1);
  CHECK((layer(x).output.value() == first));
  layer.training = false;
  CHECK((layer(x).output.value() == layer(x).output.value()));
}

TEST_CASE("zoneout keeps a share of the old values while training and mixes in evaluation") {
  // h' = bias, whatever h is.
  Rng rng(54);
  constexpr std::size_t T = 5, B = 40, H = 50;
  Rnn<double> rnn({.input = 1, .hidden = H, .bias = Bias::single, .activation = Activation::identity()},
                  {.zoneout_hidden = 0.3}, rng);
  auto& cell = rnn.cells()[0];
  cell.weight_ih.mutable_value() = zeros<double>({H, 1});
  cell.weight_hh.mutable_value() = zeros<double>({H, H});
  const Var<double> x(zeros<double>({T, B, 1})), h0(random_normal<double>({B, H}, 0.0, 1.0, rng));
  for (const Path path : {Path::tape, Path::compiled}) {
    rnn.set_path(path);
    rnn.training = true;
    const Tensor<double> drawn = rnn(x, {.states = {h0}}).output.value();
    std::size_t kept = 0;
    for (std::size_t i = 0; i < drawn.size(); ++i) {
      const double old = i < B * H ? h0.data()[i] : drawn.data()[i - B * H],
                   fresh = cell.bias_ih.data()[i % H];
      REQUIRE((drawn.data()[i] == old || drawn.data()[i] == fresh));
      kept += drawn.data()[i] == old && old != fresh ? 1U : 0U;
    }
    const double share = 0.3 * (1.0 - std::pow(0.3, 5.0)) / 0.7;  // sum of 0.3^t
    CHECK(static_cast<double>(kept) / (B * H) == Approx(share).margin(0.03));
    rnn.training = false;
    const Tensor<double> mixed = rnn(x, {.states = {h0}}).output.value();
    for (std::size_t i = 0; i < B * H; ++i)
      REQUIRE(mixed.data()[i] == Approx(0.3 * h0.data()[i] + 0.7 * cell.bias_ih.data()[i % H]).margin(1e-15));
  }
}

TEST_CASE("a value that zoneout does not take may be infinite") {
  const double infinity = std::numeric_limits<double>::infinity();
  const Var<double> before = parameter(Tensor<double>{infinity, 2.0}),
                    after = parameter(Tensor<double>{3.0, -infinity});
  const Tape tape;
  const Var<double> mixed = detail::mix(Var<double>(Tensor<double>{0.0, 1.0}), before, after);
  CHECK((mixed.value() == Tensor<double>{3.0, 2.0}));
  const auto found = gradients<double>({sum(mixed)}, {before, after});
  CHECK((found[0].value() == Tensor<double>{0.0, 1.0}));
  CHECK((found[1].value() == Tensor<double>{1.0, 0.0}));
}

TEST_CASE("an LSTM's zoneout has a share for h and one for c, and h' is made of the c' before it") {
  // Krueger et al. 2017, equations 5 and 6, in evaluation: d_c = zc, d_h = zh.
  Rng rng(55);
  const double zh = 0.4, zc = 0.1;
  Lstm<double> lstm({.input = 2, .hidden = 3}, {.zoneout_hidden = zh, .zoneout_cell = zc}, rng);
  lstm.training = false;
  const Var<double> x(random_normal<double>({1, 2, 2}, 0.0, 1.0, rng));
  const LstmState<double> state{Var<double>(random_normal<double>({2, 3}, 0.0, 1.0, rng)),
                                Var<double>(random_normal<double>({2, 3}, 0.0, 1.0, rng))};
  const auto plain = lstm.cells()[0].step(select(x, 0, 0), state);
  const auto result = lstm(x, {.states = {state}});
  for (std::size_t i = 0; i < 6; ++i) {
    CHECK(result.states[0].h.data()[i] ==
          Approx(zh * state.h.data()[i] + (1.0 - zh) * plain.h.data()[i]).margin(1e-15));
    CHECK(result.states[0].c.data()[i] ==
          Approx(zc * state.c.data()[i] + (1.0 - zc) * plain.c.data()[i]).margin(1e-15));
  }
}

TEST_CASE("a regulariser takes a layer off the fused path only while it acts, and the summary says why") {
  Rng rng(56);
  Lstm<double> lstm({.input = 2, .hidden = 3}, {.recurrent_dropout = 0.5}, rng);
  CHECK(lstm.path() == Path::compiled);
  CHECK_THAT(summary(lstm), Catch::Contains("path compiled (recurrent_dropout while training)"));
  set_training(lstm, false);
  CHECK(lstm.path() == Path::fused);
  CHECK_THAT(summary(lstm), Catch::Contains("path fused"));
  CHECK_THAT(summary(Lstm<float>({.input = 2, .hidden = 3, .layer_norm = true}, rng)),
             Catch::Contains("path compiled (layer_norm)"));
  CHECK_THAT(summary(Recurrent<test::MinimalGatedUnit<float>>({.input = 2, .hidden = 3}, rng)),
             Catch::Contains("path compiled (a cell without a hand-derived kernel)"));
}
