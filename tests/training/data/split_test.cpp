#include "training/data/split.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <limits>
#include <numeric>
#include <set>

#include "framework/errors.hpp"
#include "framework/random.hpp"
#include "tests/training/data/same.hpp"
#include "tests/training/data/scratch_file.hpp"
#include "training/data/content_hash.hpp"
#include "training/data/table.hpp"

using namespace unroll;

namespace {

using Rows = std::vector<Index>;

// Every position once, each part in ascending order.
void is_a_split_of(const Split& split, std::size_t n) {
  Rows all;
  for (const Rows* part : {&split.train, &split.valid, &split.test}) {
    CHECK(std::is_sorted(part->begin(), part->end()));
    all.insert(all.end(), part->begin(), part->end());
  }
  std::sort(all.begin(), all.end());
  Rows want(n);
  std::iota(want.begin(), want.end(), Index{0});
  CHECK(all == want);
}

}  // namespace

TEST_CASE("every sample is in one part, and the parts have their shares") {
  Rng rng(3);
  for (int round = 0; round < 200; ++round) {
    const Index n = 20 + rng.below(200);
    const SplitFractions shares{rng.uniform(0.05, 0.4), rng.uniform(0.05, 0.4)};
    const auto valid = static_cast<std::size_t>(std::lround(shares.valid * static_cast<double>(n)));
    const auto test = static_cast<std::size_t>(std::lround(shares.test * static_cast<double>(n)));
    for (const Split& split : {split_random(n, shares, rng.next()), split_in_order(n, shares)}) {
      is_a_split_of(split, static_cast<std::size_t>(n));
      CHECK(split.valid.size() == valid);
      CHECK(split.test.size() == test);
    }
  }
}

TEST_CASE("a split in order learns from the oldest and is scored on the newest") {
  const Split split = split_in_order(10, {0.2, 0.3});
  CHECK(split.train == Rows{0, 1, 2, 3, 4});
  CHECK(split.valid == Rows{5, 6});
  CHECK(split.test == Rows{7, 8, 9});
  CHECK(split_in_order(3, {0.0, 0.0}).train == Rows{0, 1, 2});
}

TEST_CASE("a text is split in order, between characters and not within them") {
  CHECK(split_text("abcdefghij", {0.2, 0.3}) == TextSplit{"abcde", "fg", "hij"});
  CHECK(split_text("\u00e9\u00e9\u20ac\U0001F600", {0.25, 0.25}) ==
        TextSplit{"\u00e9\u00e9", "\u20ac", "\U0001F600"});
  CHECK(split_text("ab", {0.0, 0.0}) == TextSplit{"ab", "", ""});
  CHECK_THROWS_AS(split_text("", {}), ArgumentError);
  CHECK_THROWS_AS(split_text("abc\xff", {0.0, 0.25}), ArgumentError);
}

TEST_CASE("a random split is the seed's, and another for another seed") {
  const Split split = split_random(100, {}, 7);
  CHECK(split == split_random(100, {}, 7));
  CHECK_FALSE(split == split_random(100, {}, 8));
  // Each sample lands in the test part as often as the share says.
  std::vector<int> counts(20, 0);
  for (std::uint64_t seed = 0; seed < 4000; ++seed) {
    for (const Index i : split_random(20, {0.0, 0.25}, seed).test) ++counts[static_cast<std::size_t>(i)];
  }
  for (const int count : counts) CHECK(std::abs(count - 1000) < 5 * 28);  // 5 standard deviations
}

TEST_CASE("a stratified split gives every class its share in every part") {
  Rng rng(5);
  std::vector<std::int64_t> labels;
  for (int i = 0; i < 400; ++i) labels.push_back(rng.uniform() < 0.1 ? 7 : rng.uniform() < 0.3 ? -2 : 1);
  const Split split = split_stratified(labels, {0.2, 0.3}, 11);
  is_a_split_of(split, labels.size());
  for (const std::int64_t label : {7, -2, 1}) {
    const auto count = [&](const Rows& rows) {
      return static_cast<double>(std::count_if(
          rows.begin(), rows.end(), [&](Index i) { return labels[static_cast<std::size_t>(i)] == label; }));
    };
    const auto all = static_cast<double>(std::count(labels.begin(), labels.end(), label));
    CHECK(std::abs(count(split.valid) - 0.2 * all) <= 0.5);
    CHECK(std::abs(count(split.test) - 0.3 * all) <= 0.5);
  }
  CHECK(split == split_stratified(labels, {0.2, 0.3}, 11));
  CHECK_FALSE(split == split_stratified(labels, {0.2, 0.3}, 12));
}

TEST_CASE("keys order each class: the largest are the test part") {
  const std::vector<std::int64_t> labels{0, 1, 0, 1, 0, 1, 0, 1};
  const std::vector<std::uint64_t> keys{5, 1, 2, 9, 8, 4, 1, 6};
  const Split split = split_stratified(labels, {0.25, 0.25}, keys);
  CHECK(split.train == Rows{1, 2, 5, 6});
  CHECK(split.valid == Rows{0, 7});
  CHECK(split.test == Rows{3, 4});
  CHECK_THROWS_WITH(split_stratified(labels, {}, std::vector<std::uint64_t>{1}),
                    "[split_stratified] keys: expected 8 entries (one per label), got 1");
}

TEST_CASE("a split by hash keeps equal samples together and moves no other when some are added") {
  std::vector<std::uint64_t> hashes;
  for (int i = 0; i < 2000; ++i) hashes.push_back(content_hash("sample " + std::to_string(i % 1500)));
  const Split split = split_by_hash(hashes, {0.2, 0.1});
  is_a_split_of(split, hashes.size());
  const auto part_of = [](const Split& s, Index i) {
    return std::binary_search(s.test.begin(), s.test.end(), i)     ? 2
           : std::binary_search(s.valid.begin(), s.valid.end(), i) ? 1
                                                                   : 0;
  };
  for (Index i = 0; i < 500; ++i) CHECK(part_of(split, i) == part_of(split, i + 1500));
  // Binomial with 1500 draws: 5 standard deviations.
  std::set<std::uint64_t> valid, test;
  for (const Index i : split.valid) valid.insert(hashes[static_cast<std::size_t>(i)]);
  for (const Index i : split.test) test.insert(hashes[static_cast<std::size_t>(i)]);
  CHECK(std::abs(static_cast<double>(valid.size()) - 300.0) < 5 * 15.5);
  CHECK(std::abs(static_cast<double>(test.size()) - 150.0) < 5 * 11.7);
  const std::vector<std::uint64_t> fewer(hashes.begin(), hashes.begin() + 1500);
  const Split before = split_by_hash(fewer, {0.2, 0.1});
  for (Index i = 0; i < 1500; ++i) CHECK(part_of(before, i) == part_of(split, i));
}

TEST_CASE("a content hash is the same in every run and depends on every byte") {
  // FNV-1a of "" and "a" as published (0xcbf29ce484222325, 0xaf63dc4c8601ec8c), and SplitMix64's first number
  // for seed 0, 0xe220a8397b1dcdaf, which is the mixing of its increment.
  CHECK(detail::mix_bits(0x9e3779b97f4a7c15U) == 0xe220a8397b1dcdafU);
  CHECK(content_hash("") == detail::mix_bits(0xcbf29ce484222325U));
  CHECK(content_hash("a") == detail::mix_bits(0xaf63dc4c8601ec8cU));
  CHECK(content_hash("ab") != content_hash("ba"));
  CHECK(content_hash("a", 1) != content_hash("a"));
  const std::vector<double> x{0.0, 1.0}, minus{-0.0, 1.0}, other{1.0, 0.0};
  CHECK(content_hash(x) == content_hash(minus));
  CHECK(content_hash(x) != content_hash(other));
  CHECK(content_hash(std::vector<double>{1.0}) == content_hash(std::string_view("\0\0\0\0\0\0\xf0\x3f", 8)));
  std::set<std::uint64_t> seeds;
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    for (std::int64_t epoch = 1; epoch <= 100; ++epoch) seeds.insert(detail::epoch_seed(seed, epoch));
  }
  CHECK(seeds.size() == 10000);
}

TEST_CASE("a column says which part a row is in") {
  const ScratchFile file("x,split,block\n1,train,a\n2,test,b\n3,valid,a\n4,train,c\n");
  const Table table = read_table(file.path);
  const Split split = split_by_column(table);
  CHECK(split.train == Rows{0, 3});
  CHECK(split.valid == Rows{2});
  CHECK(split.test == Rows{1});
  CHECK(rows_by_value(table, "block") == std::map<std::string, Rows>{{"a", {0, 2}}, {"b", {1}}, {"c", {3}}});
  CHECK_THROWS_AS(split_by_column(table, "block"), FileError);
  CHECK_THROWS_WITH(split_by_column(table, "block"),
                    file.path + ":2: column 'block': expected train, valid or test, got 'a'");
  CHECK_THROWS_WITH(split_by_column(table, "y"),
                    file.path + ":1: expected a column 'y', got x, split, block");
}

TEST_CASE("shares that leave a part empty and shares out of range are refused") {
  CHECK_THROWS_AS(split_random(3, {0.1, 0.4}, 1), ArgumentError);
  CHECK_THROWS_WITH(split_random(3, {0.1, 0.4}, 1),
                    "[split_random] valid: expected at least one sample for a share of 0.1, got none of 3");
  CHECK_THROWS_WITH(split_in_order(0, {}),
                    "[split_in_order] train: expected at least one sample for a share of 0.7, got none of 0");
  CHECK_THROWS_WITH(split_in_order(1, {0.0, 0.6}),
                    "[split_in_order] train: expected at least one sample for a share of 0.4, got none of 1");
  for (const SplitFractions bad : {SplitFractions{-0.1, 0.5}, SplitFractions{0.5, 0.5},
                                   SplitFractions{0.9, 0.2}, SplitFractions{std::nan(""), 0.1}}) {
    CHECK_THROWS_AS(split_random(100, bad, 1), ArgumentError);
    CHECK_THROWS_AS(split_in_order(100, bad), ArgumentError);
    CHECK_THROWS_AS(split_by_hash(std::vector<std::uint64_t>(9), bad), ArgumentError);
    CHECK_THROWS_AS(split_stratified(std::vector<std::int64_t>(9), bad, 1U), ArgumentError);
  }
}

TEST_CASE("rows are selected from tensors and lists in the order that is asked for") {
  const Rows rows{2, 0, 2};
  CHECK(
      same(select_rows(Tensor<float>{{1, 2}, {3, 4}, {5, 6}}, rows), Tensor<float>{{5, 6}, {1, 2}, {5, 6}}));
  CHECK(same(select_rows(IndexTensor{7, 8, 9}, rows), IndexTensor{9, 7, 9}));
  CHECK(select_rows(std::vector<std::string>{"a", "b", "c"}, rows) ==
        std::vector<std::string>{"c", "a", "c"});
  CHECK(select_rows(Tensor<double>{{1, 2}}, Rows{}).shape() == Shape{0, 2});
  CHECK_THROWS_AS(select_rows(Tensor<float>{1, 2}, rows), ShapeError);
  CHECK_THROWS_WITH(select_rows(IndexTensor{1, 2}, Rows{-1}),
                    "[select_rows] rows: expected positions in [0, 2), got -1");
  CHECK_THROWS_AS(select_rows(Tensor<float>(1.0F), Rows{}), ShapeError);
}

TEST_CASE("more samples than memory can hold are refused by name") {
  constexpr Index kMany = Index{1} << 61;
  for (const Index n : {kMany, std::numeric_limits<Index>::max()}) {
    CHECK_THROWS_AS(split_random(n, {}, 1), ArgumentError);
    CHECK_THROWS_WITH(
        split_in_order(n, {}),
        Catch::Matchers::StartsWith("[split_in_order] n: expected as many as memory can hold, got "));
  }
}
