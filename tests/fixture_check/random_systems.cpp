// numpy_legacy_rng: NumPy's seed, randn and random_sample, bit for bit.
#include <fmt/format.h>

#include <bit>
#include <numeric>

#include "framework/numpy_random.hpp"
#include "registry.hpp"

namespace unroll::oracle {
namespace {

constexpr std::size_t kLong = 100000;

Tensor<double> as_tensor(const std::vector<std::uint32_t>& words) {
  Tensor<double> result(Shape{words.size()});
  std::copy(words.begin(), words.end(), result.data());
  return result;
}

void compare_hex(Fixture& fixture, Comparison& compare, const std::string& seed, const std::string& name,
                 const Tensor<double>& got) {
  const std::vector<std::uint64_t> want = fixture.hex(seed, name + "_bits_hex");
  if (want.empty()) return;
  if (want.size() != got.size()) {
    return compare.fail(fmt::format("{}/{}: expected {} words, got {}", seed, name, want.size(), got.size()));
  }
  for (std::size_t i = 0; i < want.size(); ++i) {
    const auto bits = std::bit_cast<std::uint64_t>(got.data()[i]);
    if (bits != want[i])
      compare.fail(fmt::format("{}/{}[{}]: expected {:016x}, got {:016x}", seed, name, i, want[i], bits));
  }
}

void check_numpy_rng(Fixture& fixture, Check& check) {
  const auto& seeds = fixture.option("seeds");
  const auto n = fixture.get<std::size_t>("n");
  // Says in words what the three arrays of that name are.
  if (fixture.has_option("interleaved")) fixture.get<std::string>("interleaved");
  if (!seeds.is_array() || seeds.empty()) throw FixtureError("config.seeds: expected a list of integers");
  check.path("generator", [&](Comparison& compare) {
    for (const auto& seed : seeds) {
      if (!seed.is_number_integer()) throw FixtureError("config.seeds: expected a list of integers");
      const std::string key = "seed_" + seed.dump(), group = "outputs/" + key + "/";
      NumpyRng rng(seed.get<std::int64_t>());
      const auto restart = [&] { rng.seed(seed.get<std::int64_t>()); };
      const auto count = [&](const char* name) { return fixture.array(group + name).values.size(); };

      const std::vector<std::uint32_t> state = rng.key();
      compare.equal_bits(group + "init_key_first4_last2",
                         as_tensor({state[0], state[1], state[2], state[3], state[622], state[623]}));
      std::vector<std::uint32_t> words(count("raw_words"));
      std::generate(words.begin(), words.end(), [&] { return rng.word(); });
      compare.equal_bits(group + "raw_words", as_tensor(words));
      restart();
      const Tensor<double> uniform = rng.random_sample(Shape{count("random_sample")});
      compare.equal_bits(group + "random_sample", uniform);
      compare_hex(fixture, compare, key, "random_sample", uniform);
      restart();
      const Tensor<double> normal = rng.randn(Shape{n});
      compare.equal_bits(group + "randn", normal);
      compare_hex(fixture, compare, key, "randn", normal);
      restart();
      compare.equal_bits(group + "interleaved_randn3", rng.randn(Shape{3}));
      compare.equal_bits(group + "interleaved_random_sample2", rng.random_sample(Shape{2}));
      compare.equal_bits(group + "interleaved_randn3_after", rng.randn(Shape{3}));
      restart();
      const Tensor<double> many = rng.randn(Shape{kLong});
      Tensor<double> tail(Shape{5});
      std::copy_n(many.data() + kLong - 5, 5, tail.data());
      compare.equal_bits(group + "randn_100000_last5", tail);
      // NumPy adds pairwise, so only the bits of the sum differ.
      compare.equal_within(group + "randn_100000_sum",
                           full<double>({}, std::accumulate(many.data(), many.data() + kLong, 0.0)), 1e-9);
    }
  });
}

}  // namespace

void add_random_systems(Registry& registry) { registry["numpy_legacy_rng"] = check_numpy_rng; }

}  // namespace unroll::oracle
