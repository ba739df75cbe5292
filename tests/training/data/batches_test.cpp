#include "training/data/batches.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <map>
#include <numeric>

#include "framework/errors.hpp"
#include "tests/training/data/same.hpp"

using namespace unroll;

namespace {

using Data = SequenceDataset<double>;
using Ids = std::vector<std::int64_t>;

constexpr std::int64_t kPad = 99, kIgnore = -7;

// n samples of 1..longest steps of ids >= 1, with a class for each step.
Data ragged_ids(std::size_t n, Index longest, std::uint64_t seed) {
  Rng rng(seed);
  Data data;
  for (std::size_t i = 0; i < n; ++i) {
    Ids ids(static_cast<std::size_t>(1 + rng.below(longest))), labels(ids.size());
    for (auto& id : ids) id = 1 + rng.below(50);
    for (auto& label : labels) label = rng.below(5);
    data.add(ids, labels);
  }
  return data;
}

std::vector<std::vector<Index>> samples_of(const Batches<double>& batches) {
  std::vector<std::vector<Index>> result;
  for (std::size_t i = 0; i < batches.size(); ++i) result.push_back(batches.batch(i).samples);
  return result;
}

std::vector<Index> flat(const std::vector<std::vector<Index>>& lists) {
  std::vector<Index> result;
  for (const auto& list : lists) result.insert(result.end(), list.begin(), list.end());
  return result;
}

std::vector<Index> up_to(std::size_t n) {
  std::vector<Index> result(n);
  std::iota(result.begin(), result.end(), Index{0});
  return result;
}

std::vector<Index> sorted(std::vector<Index> list) {
  std::sort(list.begin(), list.end());
  return list;
}

}  // namespace

TEST_CASE("every sample is in one batch of every epoch, shuffled, bucketed or neither") {
  const Data data = ragged_ids(103, 20, 1);
  for (const bool shuffle : {false, true}) {
    for (const Index bucket : {0, 1, 3, 100}) {
      for (const Index size : {1, 8, 103, 500}) {
        CAPTURE(shuffle, bucket, size);
        Batches<double> batches(
            data, {.batch_size = size, .shuffle = shuffle, .seed = 5, .bucket_batches = bucket});
        CHECK(batches.size() == (103 + static_cast<std::size_t>(size) - 1) / static_cast<std::size_t>(size));
        for (std::int64_t epoch = 1; epoch <= 3; ++epoch) {
          batches.start_epoch(epoch);
          const auto lists = samples_of(batches);
          CHECK(sorted(flat(lists)) == up_to(103));
          CHECK(std::count_if(lists.begin(), lists.end(), [&](const auto& list) {
                  return list.size() != static_cast<std::size_t>(size);
                }) <= 1);
        }
      }
    }
  }
}

TEST_CASE("an epoch's order is the seed's and the epoch's alone") {
  const Data data = ragged_ids(50, 9, 2);
  const BatchOptions options{.batch_size = 7, .shuffle = true, .seed = 3, .bucket_batches = 2};
  Batches<double> a(data, options), b(data, options);
  const auto first = samples_of(a);
  a.start_epoch(2);
  const auto second = samples_of(a);
  a.start_epoch(3);
  CHECK(first != second);
  b.start_epoch(3);  // resumed there
  CHECK(samples_of(b) == samples_of(a));
  b.start_epoch(2);
  CHECK(samples_of(b) == second);
  b.start_epoch(1);
  CHECK(samples_of(b) == first);
  BatchOptions other = options;
  other.seed = 4;
  CHECK(samples_of(Batches<double>(data, other)) != first);
}

TEST_CASE("without shuffle the samples come in their order, in every epoch") {
  Batches<double> batches(ragged_ids(10, 9, 2), {.batch_size = 4});
  const std::vector<std::vector<Index>> want{{0, 1, 2, 3}, {4, 5, 6, 7}, {8, 9}};
  CHECK(samples_of(batches) == want);
  batches.start_epoch(9);
  CHECK(samples_of(batches) == want);
}

TEST_CASE("a shuffled epoch is uniform: every sample comes first equally often") {
  Batches<double> batches(ragged_ids(8, 3, 2), {.batch_size = 8, .shuffle = true});
  std::vector<int> counts(8, 0);
  for (std::int64_t epoch = 1; epoch <= 8000; ++epoch) {
    batches.start_epoch(epoch);
    ++counts[static_cast<std::size_t>(batches.batch(0).samples[0])];
  }
  for (const int count : counts) CHECK(std::abs(count - 1000) < 5 * 30);  // 5 standard deviations
}

TEST_CASE("a batch holds its samples, and padding behind their ends alone") {
  const Data ids = ragged_ids(31, 6, 4);
  const PaddingOptions padding{.padding_id = kPad, .ignore_index = kIgnore};
  const Batches<double> batches(ids,
                                {.batch_size = 5, .shuffle = true, .bucket_batches = 2, .padding = padding});
  for (std::size_t i = 0; i < batches.size(); ++i) {
    const Batch<double> batch = batches.batch(i);
    const std::size_t count = batch.samples.size();
    const auto longest =
        static_cast<std::size_t>(*std::max_element(batch.lengths.begin(), batch.lengths.end()));
    REQUIRE(batch.ids.shape() == Shape{longest, count});
    REQUIRE(batch.labels.shape() == Shape{longest, count});
    REQUIRE(batch.lengths.size() == count);
    CHECK(batch.values.size() == Tensor<double>().size());
    std::size_t real = 0;
    for (std::size_t b = 0; b < count; ++b) {
      const auto sample = static_cast<std::size_t>(batch.samples[b]);
      CHECK(static_cast<std::size_t>(batch.lengths[b]) == ids.length(sample));
      real += ids.length(sample);
      for (std::size_t t = 0; t < longest; ++t) {
        const bool is_real = t < ids.length(sample);
        CHECK(batch.ids(t, b) == (is_real ? ids.ids(sample)[t] : kPad));
        CHECK(batch.labels(t, b) == (is_real ? ids.labels(sample)[t] : kIgnore));
      }
    }
    CHECK(batch.size() == real);  // a mean over steps weighs its steps
  }
}

TEST_CASE("batches of values and vectors are padded with zeros") {
  Rng rng(6);
  Data by_step, by_sample;
  std::vector<Tensor<double>> x, y, z;
  for (const std::size_t steps : {3U, 5U, 1U}) {
    x.push_back(random_normal<double>({steps, 2}, 0, 1, rng));
    y.push_back(random_normal<double>({steps, 4}, 0, 1, rng));
    z.push_back(random_normal<double>({4}, 0, 1, rng));
    by_step.add(x.back(), y.back());
    by_sample.add(x.back(), z.back());
  }
  const std::vector<Index> order{2, 0, 1};
  const Batch<double> a = make_batch(by_step, order), b = make_batch(by_sample, order);
  CHECK(a.lengths == std::vector<Index>{1, 3, 5});
  REQUIRE(a.values.shape() == Shape{5, 3, 2});
  REQUIRE(a.targets.shape() == Shape{5, 3, 4});
  REQUIRE(b.targets.shape() == Shape{3, 4});
  CHECK(a.size() == 9);
  CHECK(b.size() == 3);
  CHECK(same(b.values, a.values));
  for (std::size_t c = 0; c < 3; ++c) {
    const auto s = static_cast<std::size_t>(order[c]);
    for (std::size_t t = 0; t < 5; ++t) {
      const bool is_real = t < x[s].shape()[0];
      for (std::size_t i = 0; i < 2; ++i) CHECK(a.values(t, c, i) == (is_real ? x[s](t, i) : 0.0));
      for (std::size_t k = 0; k < 4; ++k) CHECK(a.targets(t, c, k) == (is_real ? y[s](t, k) : 0.0));
    }
    for (std::size_t k = 0; k < 4; ++k) CHECK(b.targets(c, k) == z[s](k));
  }
  CHECK_THROWS_WITH(make_batch(by_step, std::vector<Index>{}),
                    "[make_batch] samples: expected at least one, got none");
  CHECK_THROWS_WITH(make_batch(by_step, std::vector<Index>{3}),
                    "[make_batch] samples: expected positions in [0, 3), got 3");
}

TEST_CASE("a batch of classes weighs its samples, and steps without a label weigh nothing") {
  Data classes;
  classes.add(Ids{1, 2, 3}, 4);
  classes.add(Ids{1}, 0);
  const Batch<double> batch = make_batch(classes, up_to(2));
  CHECK(same(batch.labels, IndexTensor{4, 0}));
  CHECK(batch.size() == 2);
  Data steps;
  steps.add(Ids{1, 2, 3}, Ids{-100, 2, -100});
  steps.add(Ids{1, 2}, Ids{0, 1});
  CHECK(make_batch(steps, up_to(2)).size() == 3);
  CHECK(same(make_batch(steps, up_to(2)).labels, IndexTensor{{-100, 0}, {2, 1}, {-100, -100}}));
  Data bare;
  bare.add(Ids{1, 2});
  CHECK(make_batch(bare, up_to(1)).size() == 1);
}

TEST_CASE("bucketing keeps all samples, sorts each batch and saves most of the padding") {
  const Data data = ragged_ids(2000, 60, 7);
  const BatchOptions options{.batch_size = 16, .shuffle = true, .seed = 1};
  BatchOptions bucketed = options;
  bucketed.bucket_batches = 20;
  const Batches<double> plain(data, options), sorted_batches(data, bucketed);
  const PaddingReport before = plain.padding(), after = sorted_batches.padding();
  // Counted by hand.
  std::size_t real = 0, padded = 0;
  std::vector<std::size_t> first_lengths;
  for (std::size_t i = 0; i < sorted_batches.size(); ++i) {
    const Batch<double> batch = sorted_batches.batch(i);
    padded += batch.ids.size();
    for (const Index length : batch.lengths) real += static_cast<std::size_t>(length);
    CHECK(std::is_sorted(batch.lengths.rbegin(), batch.lengths.rend()));
    first_lengths.push_back(batch.ids.shape()[0]);
  }
  CHECK(after.real_steps == real);
  CHECK(after.padded_steps == padded);
  CHECK(after.unbucketed_steps == before.padded_steps);
  CHECK(before.unbucketed_steps == before.padded_steps);
  CHECK(before.real_steps == real);
  CHECK(before.saved() == 0.0);
  CHECK(after.saved() ==
        Approx(1.0 - static_cast<double>(padded) / static_cast<double>(before.padded_steps)));
  CHECK(after.share() == Approx(1.0 - static_cast<double>(real) / static_cast<double>(padded)));
  CHECK(before.share() > 0.4);
  CHECK(after.share() < 0.1);
  // A bucket's batches are not next to each other, from its longest to its shortest.
  CHECK_FALSE(std::is_sorted(first_lengths.rend() - 20, first_lengths.rend()));  // the batches are shuffled
}

TEST_CASE("drop_last leaves out the rest, and no length more often than another") {
  const Data data = ragged_ids(20, 8, 8);
  Batches<double> batches(data, {.batch_size = 6, .shuffle = true, .drop_last = true, .bucket_batches = 4});
  CHECK(batches.size() == 3);
  std::vector<int> missing(20, 0);
  for (std::int64_t epoch = 1; epoch <= 2000; ++epoch) {
    batches.start_epoch(epoch);
    std::vector<Index> all;
    for (std::size_t i = 0; i < 3; ++i) {
      const auto samples = batches.batch(i).samples;
      CHECK(samples.size() == 6);
      all.insert(all.end(), samples.begin(), samples.end());
    }
    all = sorted(all);
    CHECK(std::adjacent_find(all.begin(), all.end()) == all.end());
    for (Index i = 0; i < 20; ++i)
      missing[static_cast<std::size_t>(i)] += std::binary_search(all.begin(), all.end(), i) ? 0 : 1;
  }
  for (const int count : missing) CHECK(std::abs(count - 200) < 5 * 14);  // 5 standard deviations
}

TEST_CASE("num_samples draws so many samples with replacement") {
  Batches<double> batches(ragged_ids(5, 3, 9), {.batch_size = 4, .shuffle = true, .num_samples = 1000});
  CHECK(batches.size() == 250);
  std::map<Index, int> counts;
  for (const Index sample : flat(samples_of(batches))) ++counts[sample];
  CHECK(counts.size() == 5);
  for (const auto& [sample, count] : counts) CHECK(std::abs(count - 200) < 5 * 13);
}

TEST_CASE("what changes a batch gets the same random numbers whenever the batch is asked for") {
  Rng rng(10);
  const Data data =
      Data::of(random_normal<double>({9, 4, 2}, 0, 1, rng), IndexTensor{0, 1, 2, 0, 1, 2, 0, 1, 2});
  const auto noise = [](Batch<double>& batch, Rng& random) {
    for (double& v : batch.values.storage()) v += random.normal(0.0, 0.1);
  };
  Batches<double> batches(data, {.batch_size = 3, .seed = 4}, noise);
  const Batches<double> plain(data, {.batch_size = 3, .seed = 4});
  const Tensor<double> first = batches.batch(0).values, second = batches.batch(1).values;
  CHECK(same(batches.batch(0).values, first));
  CHECK_FALSE(same(first, plain.batch(0).values));
  const auto added = [&](const Batches<double>& source, std::size_t i) {
    return Tensor<double>(source.batch(i).values - plain.batch(i).values)(0, 0, 0);
  };
  CHECK(added(batches, 0) != added(batches, 1));
  batches.start_epoch(2);
  CHECK_FALSE(same(batches.batch(0).values, first));
  batches.start_epoch(1);
  CHECK(same(batches.batch(1).values, second));
}

TEST_CASE("options out of range and batches that are not there are refused") {
  const Data data = ragged_ids(5, 3, 11);
  const auto refuses = [&](const BatchOptions& options, const std::string& message) {
    CHECK_THROWS_AS(Batches<double>(data, options), ArgumentError);
    CHECK_THROWS_WITH(Batches<double>(data, options), "[Batches] " + message);
  };
  refuses({.batch_size = 0}, "batch_size: expected >= 1, got 0");
  refuses({.bucket_batches = -1}, "bucket_batches: expected >= 0, got -1");
  refuses({.num_samples = -1}, "num_samples: expected >= 0, got -1");
  refuses({.num_samples = 5}, "num_samples: needs shuffle = true (samples are drawn at random)");
  refuses({.batch_size = 6, .drop_last = true},
          "batch_size: expected at most 5 with drop_last (the samples of an epoch), got 6");
  CHECK_THROWS_WITH(Batches<double>(Data()), "[Batches] data: expected at least one sample, got 0");
  Batches<double> batches(data, {.batch_size = 2});
  CHECK_THROWS_WITH(batches.batch(3), "[Batches.batch] i: expected 0..2, got 3");
  CHECK_THROWS_WITH(batches.start_epoch(0), "[Batches.start_epoch] epoch: expected >= 1, got 0");
}

TEST_CASE("sizes beyond all bounds are the data set's, or are refused by name") {
  const auto data = SequenceDataset<float>::of(zeros<float>({5, 2, 1}), zeros<std::int64_t>({5}));
  constexpr Index kMany = Index{1} << 32;  // squared that is 0 modulo 2^64
  const Batches<float> batches(data, {.batch_size = kMany, .bucket_batches = kMany});
  CHECK(batches.size() == 1);
  CHECK(batches.batch(0).size() == 5);
  CHECK(Batches<float>(data, {.batch_size = 2, .bucket_batches = Index{1} << 62}).size() == 3);
  for (const Index n : {Index{1} << 58, Index{1} << 62}) {
    CHECK_THROWS_WITH(
        Batches<float>(data, {.shuffle = true, .num_samples = n}),
        Catch::Matchers::StartsWith("[Batches] num_samples: expected as many as memory can hold, got "));
  }
}

TEST_CASE("a batch weighs the samples whose label counts") {
  SequenceDataset<double> data;
  data.add(ones<double>({2, 1}), 0);
  data.add(ones<double>({1, 1}), -100);
  CHECK(make_batch(data, std::vector<Index>{0, 1}).size() == 1);
  CHECK(make_batch(data, std::vector<Index>{0, 1}, {.ignore_index = 0}).size() == 1);
  CHECK(make_batch(data, std::vector<Index>{1}).size() == 0);
}
