#include "training/data/batches.hpp"

#include <catch2/catch.hpp>
#include <map>
#include <numeric>

#include "framework/errors.hpp"
#include "framework/random.hpp"
#include "framework/tape.hpp"
#include "layers/embedding.hpp"
#include "layers/gru.hpp"

using namespace unroll;

namespace {

std::vector<std::int64_t> positions(std::size_t n) {
  std::vector<std::int64_t> ids(n);
  std::iota(ids.begin(), ids.end(), std::int64_t{0});
  return ids;
}

}  // namespace

TEST_CASE("every step of the streams is in one window, with the id that follows it") {
  for (const std::size_t n : {2U, 7U, 50U, 51U, 101U}) {
    for (const Index streams : {1, 3, 5}) {
      for (const Index window : {1, 4, 1000}) {
        if (n <= static_cast<std::size_t>(streams)) continue;
        CAPTURE(n, streams, window);
        const TextStream stream(positions(n), {.batch_size = streams, .window = window});
        const auto B = static_cast<std::size_t>(streams);
        const std::size_t steps = (n - 1) / B;
        CHECK(stream.steps() == steps);
        std::size_t step = 0;
        for (std::size_t i = 0; i < stream.size(); ++i) {
          const TextBatch batch = stream.batch(i);
          CHECK(batch.first == (i == 0));
          CHECK(batch.position == step);
          CHECK(batch.size() == batch.ids.size());
          REQUIRE(batch.ids.shape() == batch.labels.shape());
          REQUIRE(batch.ids.shape()[1] == B);
          CHECK((i + 1 == stream.size() || batch.ids.shape()[0] == static_cast<std::size_t>(window)));
          for (std::size_t t = 0; t < batch.ids.shape()[0]; ++t, ++step) {
            for (std::size_t b = 0; b < B; ++b) {
              // Ids are positions: where a stream goes on, and what follows, can be read from them.
              CHECK(batch.ids(t, b) == static_cast<std::int64_t>(b * steps + step));
              CHECK(batch.labels(t, b) == batch.ids(t, b) + 1);
            }
          }
        }
        CHECK(step == steps);
      }
    }
  }
}

TEST_CASE("carrying the states from window to window gives what one pass gives") {
  Rng rng(1);
  const Embedding<double> embedding(11, 3, rng);
  const Gru<double> gru({.input = 3, .hidden = 4}, rng);
  std::vector<std::int64_t> ids(64);
  for (auto& id : ids) id = rng.below(11);
  TextStream stream(ids, {.batch_size = 3, .window = 6}), whole(ids, {.batch_size = 3, .window = 21});
  stream.start_epoch(2);
  REQUIRE(whole.size() == 1);
  const Var<double> want = gru(embedding(whole.batch(0).ids)).output;
  States<Gru<double>::State> states;
  for (std::size_t i = 0; i < stream.size(); ++i) {
    const TextBatch batch = stream.batch(i);
    if (batch.first) states = {};
    const auto [y, after] = gru(embedding(batch.ids), {.states = states});
    states = after;
    for (std::size_t t = 0; t < y.shape(0); ++t) {
      for (std::size_t b = 0; b < 3; ++b) {
        for (std::size_t h = 0; h < 4; ++h) {
          CHECK(y.value()(t, b, h) == Approx(want.value()(batch.position + t, b, h)).epsilon(1e-12));
        }
      }
    }
  }
}

TEST_CASE("a text that is too short and options out of range are refused") {
  CHECK(TextStream(positions(4), {.batch_size = 3}).steps() == 1);
  CHECK_THROWS_AS(TextStream(positions(3), {.batch_size = 3}), ArgumentError);
  CHECK_THROWS_WITH(TextStream(positions(3), {.batch_size = 3}),
                    "[TextStream] ids: expected at least 4 (one step in each of 3 streams, and what follows "
                    "the last), got 3");
  CHECK_THROWS_WITH(TextStream(positions(9), {.batch_size = 0}),
                    "[TextStream] batch_size and window: expected >= 1, got 0 and 64");
  CHECK_THROWS_AS(TextStream(positions(9), {.batch_size = 2, .window = 0}), ArgumentError);
  CHECK_THROWS_WITH(TextStream({1, -2, 3}, {.batch_size = 1}),
                    "[TextStream] ids: expected >= 0, got -2 at 1");
  TextStream stream(positions(9), {.batch_size = 2, .window = 3});
  CHECK_THROWS_WITH(stream.batch(2), "[TextStream.batch] i: expected 0..1, got 2");
  CHECK_THROWS_WITH(stream.start_epoch(0), "[TextStream.start_epoch] epoch: expected >= 1, got 0");
}
