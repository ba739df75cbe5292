#include <bit>
#include <catch2/catch.hpp>
#include <fstream>
#include <nlohmann/json.hpp>
#include <numeric>

#include "framework/errors.hpp"
#include "framework/numpy_random.hpp"

using namespace unroll;
using nlohmann::json;

namespace {

json read_fixture() {
  std::ifstream file(UNROLL_SOURCE_DIR "/tests/fixtures/numpy_rng.json");
  REQUIRE(file.good());
  return json::parse(file);
}

std::uint64_t bits(double v) { return std::bit_cast<std::uint64_t>(v); }

std::vector<std::uint64_t> bits(const Tensor<double>& tensor) {
  std::vector<std::uint64_t> result;
  for (double v : tensor.storage()) result.push_back(bits(v));
  return result;
}

// An array of the fixture; 17 digits give the double back exactly.
std::vector<std::uint64_t> bits(const json& array) {
  std::vector<std::uint64_t> result;
  for (const json& v : array.at("data")) result.push_back(bits(v.get<double>()));
  return result;
}

std::vector<std::uint64_t> from_hex(const json& list) {
  std::vector<std::uint64_t> result;
  for (const json& hex : list) result.push_back(std::stoull(hex.get<std::string>(), nullptr, 16));
  return result;
}

}  // namespace

TEST_CASE("NumpyRng gives NumPy's bits for every seed of the fixture") {
  const json fixture = read_fixture();
  const auto seeds = fixture.at("config").at("seeds").get<std::vector<std::int64_t>>();
  REQUIRE(seeds.size() == 3);
  for (std::int64_t seed : seeds) {
    CAPTURE(seed);
    const std::string name = "seed_" + std::to_string(seed);
    const json& want = fixture.at("outputs").at(name);
    const json& hex = fixture.at("verification").at(name);

    NumpyRng rng(seed);
    const std::vector<std::uint32_t> key = rng.key();
    REQUIRE(key.size() == 624);
    CHECK(std::vector<std::uint32_t>{key[0], key[1], key[2], key[3], key[622], key[623]} ==
          want.at("init_key_first4_last2").at("data").get<std::vector<std::uint32_t>>());

    std::vector<std::uint32_t> words(32);
    for (std::uint32_t& w : words) w = rng.word();
    CHECK(words == want.at("raw_words").at("data").get<std::vector<std::uint32_t>>());

    rng.seed(seed);
    const Tensor<double> uniform = rng.random_sample(Shape{4, 4});
    CHECK(bits(uniform) == from_hex(hex.at("random_sample_bits_hex")));
    CHECK(bits(uniform) == bits(want.at("random_sample")));

    rng.seed(seed);
    const Tensor<double> normal = rng.randn(Shape{2, 5, 4});
    CHECK(bits(normal) == from_hex(hex.at("randn_bits_hex")));
    CHECK(bits(normal) == bits(want.at("randn")));

    rng.seed(seed);
    const Tensor<double> many = rng.randn(Shape{100000});
    const std::vector<std::uint64_t> all = bits(many);
    CHECK(std::vector<std::uint64_t>(all.end() - 5, all.end()) == bits(want.at("randn_100000_last5")));
    const double sum = std::accumulate(many.storage().begin(), many.storage().end(), 0.0);
    CHECK(sum == Approx(want.at("randn_100000_sum").at("data").get<double>()).margin(1e-9).epsilon(0.0));
  }
}

TEST_CASE("NumpyRng keeps the second normal of a pair across uniform draws") {
  const json fixture = read_fixture();
  for (const auto& [name, want] : fixture.at("outputs").items()) {
    CAPTURE(name);
    NumpyRng rng(std::stoll(name.substr(5)));
    CHECK(bits(rng.randn(Shape{3})) == bits(want.at("interleaved_randn3")));
    CHECK(bits(rng.random_sample(Shape{2})) == bits(want.at("interleaved_random_sample2")));
    const std::vector<std::uint64_t> after{bits(rng.randn()), bits(rng.randn()), bits(rng.randn())};
    CHECK(after == bits(want.at("interleaved_randn3_after")));
  }
}

TEST_CASE("seeding a NumpyRng again drops the second normal of a pair") {
  NumpyRng rng(5);
  const double first = rng.randn();
  rng.seed(5);
  CHECK(bits(rng.randn()) == bits(first));
}

TEST_CASE("NumpyRng takes the seeds that NumPy takes") {
  CHECK_NOTHROW(NumpyRng(0xffffffff));
  CHECK_THROWS_AS(NumpyRng(-1), ArgumentError);
  CHECK_THROWS_WITH(NumpyRng(std::int64_t{1} << 32),
                    "[NumpyRng::seed] seed: expected 0..2^32-1, got 4294967296");
}
