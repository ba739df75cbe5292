#include "training/tensorboard/histogram.hpp"

#include <catch2/catch.hpp>
#include <cmath>
#include <limits>
#include <numeric>
#include <random>

using namespace unroll;

namespace {

constexpr double kLargest = std::numeric_limits<double>::max();

}  // namespace

TEST_CASE("a histogram's buckets are powers of 1.1 with a common border at zero") {
  // 0 and 1e-12 lie in [0, 1e-12) and [1e-12, 1.1e-12), which are neighbours.
  const auto near = detail::count_in_buckets(std::vector<float>{0.0F, 0.0F, 1.05e-12F});
  REQUIRE(near.limits.size() == 4);
  CHECK(near.limits[0] == 0.0);
  CHECK(near.limits[1] == 1e-12);
  CHECK(near.limits[2] == Approx(1.1e-12).epsilon(1e-12));
  CHECK(near.limits[3] == kLargest);
  CHECK(near.counts == std::vector<double>{0, 2, 1, 0});

  const auto wide = detail::count_in_buckets(std::vector<float>{-3e38F, 3e38F});
  CHECK(wide.limits.size() == 4);
  CHECK(wide.limits.front() == -kLargest);
  CHECK(wide.limits[1] < -1e20 / 1.1);
  CHECK(wide.limits.back() == kLargest);
  CHECK(wide.counts == std::vector<double>{0, 1, 0, 1});
}

TEST_CASE("every value is counted in the bucket it lies in") {
  std::mt19937 random(7);
  std::normal_distribution<float> normal(0.0F, 2.0F);
  std::vector<float> values{0.0F, -0.0F, 1.0F, -1.0F, 1e-30F, -1e-30F};
  for (int i = 0; i < 5000; ++i) values.push_back(normal(random) * (i % 2 == 0 ? 1.0F : 1e-6F));
  const auto got = detail::count_in_buckets(values);
  REQUIRE(got.limits.size() == got.counts.size());
  double low = -std::numeric_limits<double>::infinity();
  for (std::size_t i = 0; i < got.limits.size(); ++i) {
    const double limit = got.limits[i];
    CHECK(low < limit);
    const auto inside =
        std::count_if(values.begin(), values.end(), [&](float v) { return low <= v && v < limit; });
    CHECK(got.counts[i] == static_cast<double>(inside));
    if (i > 0) CHECK((got.counts[i] > 0.0 || got.counts[i - 1] > 0.0));
    // Between full buckets the borders are 10% apart.
    if (got.counts[i] > 0.0 && std::abs(limit) > 1e-11 && std::abs(low) > 1e-11) {
      CHECK(std::max(std::abs(limit), std::abs(low)) / std::min(std::abs(limit), std::abs(low)) ==
            Approx(1.1));
    }
    low = limit;
  }
  CHECK(got.count == values.size());
  CHECK(got.min == *std::min_element(values.begin(), values.end()));
  CHECK(got.max == *std::max_element(values.begin(), values.end()));
  CHECK(got.sum == Approx(std::accumulate(values.begin(), values.end(), 0.0)));
  CHECK(got.sum_squares == Approx(std::inner_product(values.begin(), values.end(), values.begin(), 0.0)));
}

TEST_CASE("what is not finite is counted apart") {
  constexpr float inf = std::numeric_limits<float>::infinity();
  const auto some = detail::count_in_buckets(std::vector<float>{2.0F, std::nanf(""), inf, -inf, 3.0F});
  CHECK(some.count == 2);
  CHECK(some.nonfinite == 3);
  CHECK(some.min == 2.0);
  CHECK(some.max == 3.0);
  CHECK(some.sum == 5.0);
  CHECK(detail::count_in_buckets({}).count == 0);
}
