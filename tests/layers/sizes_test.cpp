// Sizes that no memory can hold, and other numbers far out of range, are errors of the library.
#include <algorithm>
#include <catch2/catch.hpp>
#include <limits>

#include "framework/errors.hpp"
#include "layers/layers.hpp"
#include "tests/layers/minimal_gated_unit.hpp"

using namespace unroll;
using Catch::Contains;

namespace {
constexpr Index kHuge = 1'000'000'000'000'000'000, kMost = std::numeric_limits<Index>::max();
}

TEST_CASE(
    "a layer whose parameters fit in no memory is refused with its sizes, one for which there is none by "
    "MemoryError") {
  Rng rng(1);
  CHECK_THROWS_WITH(
      Linear<float>(3, kHuge, rng),
      "[Linear] weight: expected sizes that fit in memory, got (" + std::to_string(kHuge) + ",3)");
  for (const Index size : {Index{1} << 44, kHuge, kMost}) {
    CAPTURE(size);
    CHECK_THROWS_AS(Linear<float>(size, size, rng), Error);
    CHECK_THROWS_AS(Linear<double>(size, 1 << 20, rng), Error);
    CHECK_THROWS_AS(Embedding<float>(size, size, rng), Error);
    CHECK_THROWS_AS(LayerNorm<double>(std::max(size, kHuge)), Error);
    CHECK_THROWS_AS((Rnn<double>({.input = size, .hidden = size}, rng)), Error);
    CHECK_THROWS_AS((Lstm<float>({.input = 3, .hidden = size}, rng)), Error);
    CHECK_THROWS_AS(
        (Gru<float>({.input = 3, .hidden = size, .recurrent_init = RecurrentInit::orthogonal}, rng)), Error);
    CHECK_THROWS_AS((GruCell<float>({.input = 3, .hidden = size}, rng)), Error);
    CHECK_THROWS_AS((Gru<float>({.input = 3}, {.widths = {4, size}}, rng)), Error);
  }
  CHECK_THROWS_AS(Linear<float>(3, Index{1} << 44, rng), MemoryError);
  CHECK_THROWS_WITH(
      Linear<float>(3, Index{1} << 44, rng),
      Contains("[Linear] weight (17592186044416,3): [memory] cannot allocate 211106232532992 bytes"));
}

TEST_CASE("sizes below 1 are refused for every cell, a user's too") {
  Rng rng(1);
  using Own = Recurrent<test::MinimalGatedUnit<double>>;
  for (const Index size : {Index{0}, Index{-1}, std::numeric_limits<Index>::min()}) {
    CAPTURE(size);
    CHECK_THROWS_AS(Linear<float>(size, 3, rng), ArgumentError);
    CHECK_THROWS_AS(Embedding<float>(3, size, rng), ArgumentError);
    CHECK_THROWS_AS(LayerNorm<float>(size), ArgumentError);
    CHECK_THROWS_AS((Own({.input = 2, .hidden = size}, rng)), ArgumentError);
    CHECK_THROWS_AS((Own({.input = size, .hidden = 2}, rng)), ArgumentError);
    CHECK_THROWS_AS((Own({.input = 2}, {.widths = {2, size}}, rng)), ArgumentError);
    CHECK_THROWS_AS((Own({.input = 2, .hidden = 2}, {.layers = size}, rng)), ArgumentError);
  }
  CHECK_THROWS_WITH((Own({.input = 2, .hidden = 2}, {.layers = kHuge}, rng)),
                    "[Recurrent] layers: expected <= 65536, got " + std::to_string(kHuge));
}

TEST_CASE("a stream for more sequences than memory holds is refused") {
  Rng rng(1);
  const Gru<float> gru({.input = 2, .hidden = 3}, rng);
  for (const Index batch : {Index{1} << 33, kHuge, kMost}) {
    CHECK_THROWS_WITH(freeze(gru, {.batch = batch}), Contains("[Gru.freeze] batch: expected <="));
  }
}

TEST_CASE("windows far out of range are refused, and lengths in them do not overflow") {
  CHECK_THROWS_AS(windows(-1, 2), ArgumentError);
  CHECK_THROWS_AS(windows(kMost, 1), ArgumentError);
  CHECK(windows(kMost, kMost) == std::vector<Window>{{0, kMost}});
  CHECK(windows(7, kMost) == std::vector<Window>{{0, 7}});
  CHECK(windows(kMost, kMost - 1) == std::vector<Window>{{0, kMost - 1}, {kMost - 1, kMost}});
  const std::vector<Index> lengths{std::numeric_limits<Index>::min(), 3, kMost};
  CHECK(lengths_in({2, 6}, lengths) == std::vector<Index>{0, 1, 4});
}

TEST_CASE("an empty handle among the states is named by index and part") {
  Rng rng(1);
  const Lstm<float> lstm({.input = 2, .hidden = 3}, {.layers = 2}, rng);
  const Var<float> x(ones<float>({4, 1, 2})), h(zeros<float>({1, 3}));
  CHECK_THROWS_WITH(
      lstm(x, {.states = {{h, h}, {h, Var<float>()}}}),
      Contains("[Lstm.forward] states[1].c: expected (1,3)") && Contains("got an empty handle"));
  const Gru<float> gru({.input = 2, .hidden = 3}, rng);
  CHECK_THROWS_WITH(gru(x, {.states = {Var<float>()}}), Contains("states[0].h: expected (1,3)"));
}
