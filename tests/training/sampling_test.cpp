#include "training/sampling.hpp"

#include <catch2/catch.hpp>
#include <cmath>
#include <limits>
#include <vector>

#include "framework/errors.hpp"

using namespace unroll;

namespace {

// How often each index is drawn.
std::vector<double> shares(const std::vector<float>& logits, const SamplingOptions& options, int draws) {
  Rng rng(3);
  std::vector<double> counts(logits.size(), 0.0);
  for (int k = 0; k < draws; ++k) {
    counts[static_cast<std::size_t>(draw(std::span<const float>(logits), options, rng))] += 1.0;
  }
  for (double& count : counts) count /= draws;
  return counts;
}

void check_shares(const std::vector<double>& got, const std::vector<double>& want, int draws) {
  REQUIRE(got.size() == want.size());
  for (std::size_t k = 0; k < got.size(); ++k) {
    CAPTURE(k);
    CHECK(std::abs(got[k] - want[k]) <= 5.0 * std::sqrt(want[k] * (1.0 - want[k]) / draws));
  }
}

}  // namespace

TEST_CASE("draw takes each index with its softmax probability, sharper or flatter with the temperature") {
  constexpr int kDraws = 20000;
  // Probabilities 1/8, 5/8, 2/8; with temperature 1/2 their squares, with 2 their roots.
  const std::vector<float> logits{0.0F, std::log(5.0F), std::log(2.0F)};
  check_shares(shares(logits, {}, kDraws), {0.125, 0.625, 0.25}, kDraws);
  check_shares(shares(logits, {.temperature = 0.5}, kDraws), {1.0 / 30, 25.0 / 30, 4.0 / 30}, kDraws);
  const double sum = 1.0 + std::sqrt(5.0) + std::sqrt(2.0);
  check_shares(shares(logits, {.temperature = 2.0}, kDraws),
               {1.0 / sum, std::sqrt(5.0) / sum, std::sqrt(2.0) / sum}, kDraws);
}

TEST_CASE("draw takes only the top_k most probable, of equals the first, and the best at a low temperature") {
  constexpr int kDraws = 20000;
  const std::vector<float> logits{0.0F, std::log(5.0F), std::log(2.0F), std::log(2.0F)};
  check_shares(shares(logits, {.top_k = 2}, kDraws), {0.0, 5.0 / 7, 2.0 / 7, 0.0}, kDraws);
  check_shares(shares(logits, {.top_k = 1}, 100), {0.0, 1.0, 0.0, 0.0}, 100);
  check_shares(shares(logits, {.top_k = 9}, kDraws), {0.1, 0.5, 0.2, 0.2}, kDraws);
  check_shares(shares({-1000.0F, 1000.0F, 999.0F}, {.temperature = 1e-300}, 100), {0.0, 1.0, 0.0}, 100);
}

TEST_CASE("draw refuses what has no probabilities, and leaves the generator alone") {
  Rng rng(1);
  const std::string before = rng.state();
  const std::vector<double> logits{0.0, 1.0}, spoilt{0.0, std::nan("")},
      infinite{std::numeric_limits<double>::infinity()};
  const auto draw_from = [&](const std::vector<double>& from, const SamplingOptions& options) {
    return draw(std::span<const double>(from), options, rng);
  };
  CHECK_THROWS_WITH(draw_from(logits, {.temperature = 0.0}),
                    "[draw] temperature: expected a finite number above 0, got 0");
  CHECK_THROWS_AS(draw_from(logits, {.temperature = std::nan("")}), ArgumentError);
  CHECK_THROWS_WITH(draw_from(logits, {.top_k = -1}), "[draw] top_k: expected >= 0, got -1");
  CHECK_THROWS_WITH(draw_from({}, {}), "[draw] logits: expected at least one, got none");
  CHECK_THROWS_WITH(draw_from(spoilt, {}), "[draw] logits: expected finite numbers, got nan at 1");
  CHECK_THROWS_AS(draw_from(infinite, {}), ArgumentError);
  CHECK(rng.state() == before);
  CHECK(draw_from({-3.0}, {}) == 0);
}
