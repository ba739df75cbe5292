#include <array>
#include <bit>
#include <catch2/catch.hpp>
#include <cmath>
#include <functional>
#include <limits>

#include "framework/errors.hpp"
#include "framework/random.hpp"

using namespace unroll;

namespace {

struct Moments {
  double mean = 0.0, variance = 0.0, lowest = 0.0, highest = 0.0;
};

template <class S>
Moments moments(const Tensor<S>& tensor) {
  Moments m;
  const auto n = static_cast<double>(tensor.size());
  for (S v : tensor.storage()) m.mean += static_cast<double>(v) / n;
  m.lowest = m.highest = static_cast<double>(tensor.storage()[0]);
  for (S v : tensor.storage()) {
    const auto d = static_cast<double>(v);
    m.variance += (d - m.mean) * (d - m.mean) / n;
    m.lowest = std::min(m.lowest, d);
    m.highest = std::max(m.highest, d);
  }
  return m;
}

}  // namespace

TEST_CASE("Rng is xoshiro256++ seeded by SplitMix64") {
  // Computed by a separate implementation, checked against the published outputs for the state (1,2,3,4).
  Rng zero(0);
  for (std::uint64_t want : {0x53175d61490b23dfU, 0x61da6f3dc380d507U, 0x5c0fdf91ec9a7bfcU,
                             0x02eebf8c3bbe5e1aU, 0x7eca04ebaf4a5eeaU, 0x0543c37757f08d9aU}) {
    CHECK(zero.next() == want);
  }
  Rng rng(42);
  CHECK(rng.next() == 0xd0764d4f4476689fU);
  for (int i = 0; i < 998; ++i) rng.next();
  CHECK(rng.next() == 0xa3ed059c1cc38790U);
}

TEST_CASE("Rng's state is text from which it goes on to the bit, a spare normal number included") {
  Rng a(3);
  for (int i = 0; i < 5; ++i) {
    Rng b(99);
    b.load_state(a.state());
    CHECK(b.state() == a.state());
    Rng c = a;
    for (int k = 0; k < 7; ++k) CHECK(b.normal() == c.normal());
    CHECK(b.next() == c.next());
    a.normal();  // every second time a spare one is left
  }
  const std::string good = Rng(3).state();
  CHECK(good.ends_with(" -"));
  Rng untouched(5);
  for (const std::string& bad :
       {std::string(), good + " ", good.substr(1), good.substr(0, good.size() - 1) + "0",
        "x" + good.substr(1),
        std::string("0000000000000000 0000000000000000 0000000000000000 0000000000000000 -"),
        "-" + good.substr(1)}) {
    CAPTURE(bad);
    CHECK_THROWS_AS(untouched.load_state(bad), ArgumentError);
  }
  CHECK(untouched.state() == Rng(5).state());
}

TEST_CASE("Rng's uniform numbers are the upper 53 bits of its words") {
  Rng words(7), rng(7);
  for (int i = 0; i < 1000; ++i) {
    const double want = std::ldexp(static_cast<double>(words.next() >> 11), -53);
    REQUIRE(rng.uniform() == want);
  }
}

TEST_CASE("Rng's normal numbers have normal moments and come in pairs") {
  Rng rng(3);
  const int n = 400000;
  std::array<double, 5> power{};
  double pairs = 0.0, before = 0.0;
  for (int i = 0; i < n; ++i) {
    const double v = rng.normal();
    for (std::size_t k = 1; k < power.size(); ++k) power[k] += std::pow(v, static_cast<double>(k)) / n;
    if (i % 2 == 1) pairs += v * before / n;
    before = v;
  }
  // Five standard errors each.
  CHECK(std::abs(power[1]) < 5.0 / std::sqrt(n));
  CHECK(std::abs(power[2] - 1.0) < 5.0 * std::sqrt(2.0 / n));
  CHECK(std::abs(power[3]) < 5.0 * std::sqrt(15.0 / n));
  CHECK(std::abs(power[4] - 3.0) < 5.0 * std::sqrt(96.0 / n));
  CHECK(std::abs(pairs) < 5.0 * std::sqrt(0.5 / n));

  Rng plain(11), scaled(11);
  const double first = plain.normal();
  CHECK(scaled.normal(2.0, 3.0) == 2.0 + 3.0 * first);
}

TEST_CASE("Rng::below gives every number equally often and refuses n < 1") {
  Rng rng(1);
  std::array<int, 7> count{};
  const int n = 70000;
  for (int i = 0; i < n; ++i) {
    const Index k = rng.below(7);
    REQUIRE(k >= 0);
    REQUIRE(k < 7);
    ++count[static_cast<std::size_t>(k)];
  }
  double chi_square = 0.0;
  for (int c : count) chi_square += (c - 10000.0) * (c - 10000.0) / 10000.0;
  CHECK(chi_square < 22.5);  // 6 degrees of freedom: exceeded once in a thousand seeds
  CHECK(rng.below(1) == 0);
  // With n = 3 * 2^61 a plain remainder would fall into the lower 2^62 with probability 3/4, not 2/3.
  const Index large = Index{3} << 61;
  int low = 0;
  for (int i = 0; i < 30000; ++i) low += rng.below(large) < (Index{1} << 62) ? 1 : 0;
  CHECK(std::abs(low / 30000.0 - 2.0 / 3.0) < 0.015);
  CHECK_THROWS_WITH(rng.below(0), "[Rng::below] n: expected >= 1, got 0");
  CHECK_THROWS_AS(rng.below(-5), ArgumentError);
}

TEST_CASE("Rng::permutation holds every number once, in any order") {
  Rng rng(2);
  std::array<int, 6> count{};
  for (int i = 0; i < 6000; ++i) {
    const std::vector<Index> p = rng.permutation(3);
    REQUIRE(p.size() == 3);
    REQUIRE((p[0] + p[1] + p[2] == 3 && p[0] != p[1] && p[1] != p[2] && p[0] != p[2]));
    ++count[static_cast<std::size_t>(2 * p[0] + (p[1] > p[2] ? 1 : 0))];
  }
  double chi_square = 0.0;
  for (int c : count) chi_square += (c - 1000.0) * (c - 1000.0) / 1000.0;
  CHECK(chi_square < 20.5);  // 5 degrees of freedom: exceeded once in a thousand seeds
  CHECK(rng.permutation(0).empty());
  CHECK_THROWS_AS(rng.permutation(-1), ArgumentError);
}

TEST_CASE("Rng::split gives another generator and moves on by one number") {
  Rng rng(9), same(9);
  Rng other = rng.split();
  same.next();
  CHECK(rng.next() == same.next());
  CHECK(other.next() != same.next());
  CHECK(Rng(9).split().next() == Rng(9).split().next());
}

TEMPLATE_TEST_CASE("random tensors have the moments of their distribution", "", float, double) {
  using S = TestType;
  Rng rng(4);
  const Moments uniform = moments(random_uniform<S>({300, 200}, -1.0, 3.0, rng));
  CHECK(uniform.lowest >= -1.0);
  CHECK(uniform.highest < 3.0);
  CHECK(uniform.mean == Approx(1.0).margin(0.03));
  CHECK(uniform.variance == Approx(16.0 / 12.0).epsilon(0.02));
  const Moments normal = moments(random_normal<S>({300, 200}, 2.0, 0.5, rng));
  CHECK(normal.mean == Approx(2.0).margin(0.015));
  CHECK(normal.variance == Approx(0.25).epsilon(0.03));
}

TEST_CASE("a narrow uniform range stays half open in float") {
  // Half of these numbers would round up to 1.
  const float low = std::nextafter(1.0F, 0.0F);
  Rng rng(6);
  const Tensor<float> tensor = random_uniform<float>({2, 100}, low, 1.0, rng);
  for (float v : tensor.storage()) REQUIRE(v == low);
}

TEMPLATE_TEST_CASE("initialisations have the spread of their papers", "", float, double) {
  using S = TestType;
  Rng rng(8);
  const Shape shape{300, 120};  // fan_out 300, fan_in 120
  const auto check = [](const Tensor<S>& tensor, double variance, bool is_uniform) {
    const Moments m = moments(tensor);
    CHECK(m.mean == Approx(0.0).margin(5.0 * std::sqrt(variance / 36000.0)));
    CHECK(m.variance == Approx(variance).epsilon(0.04));
    const double bound = std::sqrt(3.0 * variance);
    if (is_uniform) CHECK((m.highest <= bound && m.highest > 0.99 * bound));
    if (is_uniform) CHECK((m.lowest >= -bound && m.lowest < -0.99 * bound));
    if (!is_uniform) CHECK(m.highest > 1.5 * bound);
  };
  check(xavier_uniform<S>(shape, rng, 1.5), 1.5 * 1.5 * 2.0 / 420.0, true);
  check(xavier_normal<S>(shape, rng, 1.5), 1.5 * 1.5 * 2.0 / 420.0, false);
  check(kaiming_uniform<S>(shape, rng), 2.0 / 120.0, true);
  check(kaiming_normal<S>(shape, rng), 2.0 / 120.0, false);
}

TEMPLATE_TEST_CASE("orthogonal matrices have orthonormal rows or columns times gain", "", float, double) {
  using S = TestType;
  Rng rng(10);
  const double tolerance = sizeof(S) == 4 ? 1e-6 : 1e-14;
  for (const Shape& shape : {Shape{5, 5}, Shape{7, 3}, Shape{4, 9}, Shape{1, 6}, Shape{6, 1}}) {
    CAPTURE(to_string(shape));
    const Tensor<S> q = orthogonal<S>(shape, rng, 1.5);
    REQUIRE(q.shape() == shape);
    const bool wide = shape[0] < shape[1];
    const std::size_t narrow = std::min(shape[0], shape[1]), tall = std::max(shape[0], shape[1]);
    for (std::size_t i = 0; i < narrow; ++i) {
      for (std::size_t j = 0; j < narrow; ++j) {
        double product = 0.0;
        for (std::size_t k = 0; k < tall; ++k) {
          product +=
              static_cast<double>(wide ? q(i, k) : q(k, i)) * static_cast<double>(wide ? q(j, k) : q(k, j));
        }
        CHECK(product == Approx(i == j ? 2.25 : 0.0).margin(4.0 * tolerance));
      }
    }
  }
  CHECK(orthogonal<S>({3, 0}, rng).size() == 0);
}

TEST_CASE("orthogonal matrices are uniform: both signs of every element are equally likely") {
  // QR alone, without the sign of R's diagonal, gives q(0,0) one sign only.
  Rng rng(12);
  int positive = 0;
  double mean_square = 0.0;
  for (int i = 0; i < 2000; ++i) {
    const Tensor<double> q = orthogonal<double>({3, 3}, rng);
    positive += q(0, 0) > 0.0 ? 1 : 0;
    mean_square += q(2, 1) * q(2, 1) / 2000.0;
  }
  CHECK(std::abs(positive - 1000) < 120);
  CHECK(mean_square == Approx(1.0 / 3.0).margin(0.04));
}

TEST_CASE("the same seed gives the same tensors, in float the rounded ones") {
  const auto all = [](auto tag) {
    using S = decltype(tag);
    Rng rng(77);
    return std::vector<Tensor<S>>{random_uniform<S>({3, 5}, -2.0, 1.0, rng),
                                  random_normal<S>({4, 3}, 0.5, 2.0, rng),
                                  xavier_uniform<S>({4, 6}, rng),
                                  xavier_normal<S>({4, 6}, rng),
                                  kaiming_uniform<S>({4, 6}, rng),
                                  kaiming_normal<S>({4, 6}, rng),
                                  orthogonal<S>({4, 6}, rng)};
  };
  const auto first = all(0.0), second = all(0.0);
  const auto rounded = all(0.0F);
  for (std::size_t k = 0; k < first.size(); ++k) {
    CAPTURE(k);
    CHECK((first[k] == second[k]));
    CHECK((convert_tensor<float>(first[k]) == rounded[k]));
  }
}

TEST_CASE("random tensors refuse arguments that mean nothing") {
  Rng rng(1);
  const double nan = std::numeric_limits<double>::quiet_NaN(), inf = std::numeric_limits<double>::infinity();
  CHECK_THROWS_WITH(random_uniform<double>({2, 3}, 1.0, 0.0, rng),
                    "[random_uniform] expected finite low <= high, got 1 and 0");
  CHECK_THROWS_AS(random_uniform<double>({2, 3}, nan, 0.0, rng), ArgumentError);
  CHECK_THROWS_AS(random_uniform<double>({2, 3}, 0.0, inf, rng), ArgumentError);
  CHECK_THROWS_AS(random_normal<double>({2, 3}, 0.0, -1.0, rng), ArgumentError);
  CHECK_THROWS_AS(random_normal<double>({2, 3}, 0.0, nan, rng), ArgumentError);
  CHECK_THROWS_AS(random_normal<double>({2, 3}, inf, 1.0, rng), ArgumentError);
  const std::vector<std::function<Tensor<double>(const Shape&, Rng&, double)>> initialisations{
      xavier_uniform<double>, xavier_normal<double>, kaiming_uniform<double>, kaiming_normal<double>,
      orthogonal<double>};
  for (const auto& initialise : initialisations) {
    CHECK_THROWS_AS(initialise({3}, rng, 1.0), ShapeError);
    CHECK_THROWS_AS(initialise({2, 3, 4}, rng, 1.0), ShapeError);
    CHECK_THROWS_AS(initialise({2, 3}, rng, -1.0), ArgumentError);
    CHECK_THROWS_AS(initialise({2, 3}, rng, nan), ArgumentError);
    CHECK(initialise({0, 3}, rng, 1.0).size() == 0);
  }
}

TEST_CASE("numbers that the type does not hold, wild states and too many numbers are refused") {
  Rng rng(1);
  CHECK_THROWS_AS(random_uniform<float>({2}, 0.0, 1e39, rng), ArgumentError);
  CHECK_THROWS_AS(random_uniform<float>({2}, -1e39, 0.0, rng), ArgumentError);
  CHECK_THROWS_AS(random_normal<float>({2}, 0.0, 1e38, rng), ArgumentError);
  CHECK_THROWS_AS(random_normal<float>({2}, 1e39, 1.0, rng), ArgumentError);
  CHECK_THROWS_AS(xavier_uniform<float>({2, 2}, rng, 1e300), ArgumentError);
  CHECK_THROWS_AS(kaiming_normal<double>({2, 2}, rng, 1.7e308), ArgumentError);
  CHECK_NOTHROW(random_uniform<double>({2}, 0.0, 1e39, rng));
  CHECK(kaiming_normal<float>({3, 0}, rng).size() == 0);

  Rng other(1);
  const std::string good = Rng(5).state();
  for (const std::string& bad :
       {good.substr(0, good.size() - 1) + "7ff0000000000000",
        good.substr(0, good.size() - 1) + "7ff8000000000000", std::string(1000000, 'f'),
        std::string("\x1b[2J"), good + std::string(1, '\0')}) {
    CHECK_THROWS_AS(other.load_state(bad), ArgumentError);
    CHECK_THROWS_WITH(other.load_state(bad),
                      !Catch::Contains("\x1b") && !Catch::Contains(std::string(200, 'f')));
  }
  CHECK(other.state() == Rng(1).state());

  CHECK_THROWS_AS(rng.permutation(std::numeric_limits<Index>::max()), MemoryError);
  CHECK_THROWS_AS(random_normal<float>({std::size_t{1} << 60}, 0.0, 1.0, rng), MemoryError);
  CHECK(orthogonal<float>({std::size_t{1} << 40, 0}, rng).size() == 0);
}
