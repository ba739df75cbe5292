#include "training/data/sequences.hpp"

#include <catch2/catch.hpp>

#include "framework/errors.hpp"
#include "framework/random.hpp"
#include "training/forecasting/series.hpp"

using namespace unroll;

namespace {

using Data = SequenceDataset<double>;
using Ids = std::vector<std::int64_t>;

template <class T>
std::vector<T> list(std::span<const T> span) {
  return {span.begin(), span.end()};
}

}  // namespace

TEST_CASE("a data set gives back the sequences and targets it was given") {
  const Tensor<double> a{{1, 2}, {3, 4}, {5, 6}}, b{{7, 8}};
  Data by_class;
  by_class.add(a, 4);
  by_class.add(b, 0);
  CHECK(by_class.size() == 2);
  CHECK_FALSE(by_class.has_ids());
  CHECK(by_class.target_kind() == TargetKind::label);
  CHECK(by_class.features() == 2);
  CHECK(by_class.length(0) == 3);
  CHECK(list(by_class.values(0)) == std::vector<double>{1, 2, 3, 4, 5, 6});
  CHECK(list(by_class.values(1)) == std::vector<double>{7, 8});
  CHECK(by_class.labels() == Ids{4, 0});
  CHECK(by_class.ids(0).empty());
  CHECK(by_class.target(0).empty());

  Data by_step;
  by_step.add(a, Ids{1, 0, 2});
  by_step.add(b, Ids{3});
  CHECK(list(by_step.labels(0)) == Ids{1, 0, 2});
  CHECK(list(by_step.labels(1)) == Ids{3});
  CHECK_THROWS_WITH(by_step.labels(),
                    "[SequenceDataset.labels] target: expected a class, got a class for each step");

  Data vectors;
  vectors.add(Ids{5, 0}, Tensor<double>{0.5, -1, 2});
  vectors.add(Ids{9}, Tensor<double>{1, 1, 1});
  CHECK(vectors.has_ids());
  CHECK(vectors.target_size() == 3);
  CHECK(list(vectors.ids(0)) == Ids{5, 0});
  CHECK(list(vectors.target(1)) == std::vector<double>{1, 1, 1});

  Data step_vectors;
  step_vectors.add(Ids{5, 0}, from_values<double>({2, 1}, {1, 2}));
  step_vectors.add(Ids{5, 0, 1}, from_values<double>({3, 1}, {3, 4, 5}));
  CHECK(step_vectors.target_kind() == TargetKind::step_vectors);
  CHECK(list(step_vectors.target(1)) == std::vector<double>{3, 4, 5});

  Data bare;
  bare.add(Ids{1, 2});
  CHECK(bare.target_kind() == TargetKind::none);
  CHECK(bare.labels(0).empty());
}

TEST_CASE("a sample of another kind is refused and changes nothing") {
  const Tensor<double> a{{1, 2}, {3, 4}};
  Data data;
  data.add(a, 1);
  const auto refuses = [&](auto&& add, const std::string& message) {
    CHECK_THROWS_WITH(add(), "[SequenceDataset.add] " + message);
    CHECK(data.size() == 1);
    CHECK(list(data.values(0)) == std::vector<double>{1, 2, 3, 4});
  };
  refuses([&] { data.add(Ids{1}, 1); }, "input: expected values (as in the samples before), got ids");
  refuses(
      [&] {
        data.add(Tensor<double>{{1, 2, 3}}, 1);
      },
      "values: expected (T,2) (as in the samples before), got (T,3)");
  refuses([&] { data.add(a); }, "target: expected a class (as in the samples before), got no target");
  refuses(
      [&] {
        data.add(a, Ids{1, 2});
      },
      "target: expected a class (as in the samples before), got a class for each step");
  refuses([&] { data.add(a, Tensor<double>{1}); },
          "target: expected a class (as in the samples before), got a vector");
  refuses(
      [&] {
        data.add(zeros<double>({0, 2}), 1);
      },
      "values: expected at least one step and one feature, got (0,2)");
  refuses([&] { data.add(Tensor<double>{1, 2}, 1); }, "values: expected (T,I), got (2)");
  refuses([&] { data.add(Ids{}, 1); }, "ids: expected at least one step, got none");
  refuses([&] { data.add(Ids{3, -1}, 1); }, "ids: expected >= 0, got -1 at 1");
  refuses([&] { data.add(a, Ids{1}); }, "target: expected 2 steps (as the sequence), got 1");
  refuses([&] { data.add(a, zeros<double>({1, 1, 1})); }, "target: expected (K) or (T,K), got (1,1,1)");
  refuses([&] { data.add(a, zeros<double>({2, 0})); }, "target: expected at least one value, got none");
  Data vectors;
  vectors.add(a, Tensor<double>{1, 2});
  CHECK_THROWS_WITH(vectors.add(a, Tensor<double>{1}),
                    "[SequenceDataset.add] target: expected 2 values (as in the samples before), got 1");
  CHECK_THROWS_AS(data.add(a), ArgumentError);
  CHECK_THROWS_AS(data.add(Ids{}, 1), ShapeError);
}

TEST_CASE("a data set of tensors has their rows as samples") {
  Rng rng(1);
  const Tensor<double> values = random_normal<double>({4, 3, 2}, 0, 1, rng);
  const IndexTensor ids{{1, 2, 3}, {4, 5, 6}, {7, 8, 9}, {0, 0, 1}};
  const IndexTensor labels{3, 1, 0, 2};
  const Tensor<double> targets = random_normal<double>({4, 5}, 0, 1, rng);
  const Tensor<double> step_targets = random_normal<double>({4, 3, 1}, 0, 1, rng);
  const Data a = Data::of(values, labels), b = Data::of(values, ids), c = Data::of(values, targets),
             d = Data::of(ids, step_targets), e = Data::of(ids, labels), f = Data::of(ids, targets);
  CHECK(a.labels() == Ids{3, 1, 0, 2});
  CHECK(e.labels() == a.labels());
  for (std::size_t i = 0; i < 4; ++i) {
    CHECK(list(a.values(i)) == std::vector<double>(values.data() + 6 * i, values.data() + 6 * i + 6));
    CHECK(list(b.labels(i)) == Ids(ids.data() + 3 * i, ids.data() + 3 * i + 3));
    CHECK(list(c.target(i)) == std::vector<double>(targets.data() + 5 * i, targets.data() + 5 * i + 5));
    CHECK(list(d.target(i)) ==
          std::vector<double>(step_targets.data() + 3 * i, step_targets.data() + 3 * i + 3));
    CHECK(list(d.ids(i)) == list(b.labels(i)));
    CHECK(list(f.target(i)) == list(c.target(i)));
  }
  CHECK_THROWS_WITH(Data::of(values, IndexTensor{1, 2}),
                    "[SequenceDataset.of] labels: expected 4 samples (as the sequences), got (2)");
  CHECK_THROWS_WITH(Data::of(targets, labels), "[SequenceDataset.of] values: expected (N,T,I), got (4,5)");
  CHECK_THROWS_WITH(Data::of(values, zeros<double>({4})),
                    "[SequenceDataset.of] targets: expected (N,K) or (N,T,K), got (4)");
  CHECK_THROWS_AS(Data::of(values, zeros<std::int64_t>({4, 2})), ShapeError);  // steps
  CHECK_THROWS_AS(Data::of(labels, labels), ShapeError);
}

TEST_CASE("subsets have the samples asked for, and adding to one leaves the other alone") {
  Data data;
  for (std::int64_t i = 0; i < 4; ++i) data.add(Ids(static_cast<std::size_t>(i + 1), i), i);
  Data part = data.select(std::vector<Index>{3, 1});
  CHECK(part.labels() == Ids{3, 1});
  CHECK(list(part.ids(0)) == Ids{3, 3, 3, 3});
  part.add(Ids{8}, 8);
  CHECK(part.labels() == Ids{3, 1, 8});
  CHECK(data.labels() == Ids{0, 1, 2, 3});
  CHECK_THROWS_AS(part.add(ones<double>({1, 1}), 1), ArgumentError);
  CHECK(data.select(std::vector<Index>{}).empty());
  CHECK_THROWS_WITH(data.select(std::vector<Index>{4}),
                    "[SequenceDataset.select] samples: expected positions in [0, 4), got 4");
}

TEST_CASE("windows of a series have the steps and targets that their definition says") {
  Rng rng(2);
  const Tensor<double> series = random_normal<double>({23, 3}, 0, 1, rng);
  const std::vector<Index> columns{2, 0};
  for (const WindowTarget target :
       {WindowTarget::step_ahead, WindowTarget::path_ahead, WindowTarget::every_step}) {
    for (const Index length : {1, 4, 20}) {
      for (const Index stride : {1, 3}) {
        for (const Index horizon : {1, 3}) {
          const auto T = static_cast<std::size_t>(length), h = static_cast<std::size_t>(horizon);
          const Data data = windows(series, {length, stride, horizon, target, columns});
          std::size_t w = 0;
          for (std::size_t first = 0; first + T - 1 + h < 23;
               first += static_cast<std::size_t>(stride), ++w) {
            REQUIRE(w < data.size());
            std::vector<double> x, y;
            for (std::size_t t = 0; t < T; ++t) {
              for (std::size_t c = 0; c < 3; ++c) x.push_back(series(first + t, c));
            }
            const std::size_t last = first + T - 1;
            const auto want = [&](std::size_t step) {
              for (const Index c : columns) y.push_back(series(step, static_cast<std::size_t>(c)));
            };
            if (target == WindowTarget::step_ahead) want(last + h);
            for (std::size_t k = 1; target == WindowTarget::path_ahead && k <= h; ++k) want(last + k);
            for (std::size_t t = 0; target == WindowTarget::every_step && t < T; ++t) want(first + t + h);
            CHECK(list(data.values(w)) == x);
            CHECK(list(data.target(w)) == y);
          }
          CHECK(data.size() == w);
        }
      }
    }
  }
  CHECK(windows(series, {.length = 5}).target_size() == 3);  // no columns: all
}

TEST_CASE("a series that is too short and options out of range are refused") {
  const Tensor<double> series = zeros<double>({6, 2});
  CHECK(windows(series, {.length = 4, .horizon = 2}).size() == 1);
  CHECK_THROWS_AS(windows(series, {.length = 4, .horizon = 3}), ShapeError);
  CHECK_THROWS_WITH(
      windows(series, {.length = 4, .horizon = 3}),
      "[windows] series: expected at least 7 steps (a window of 4 and its target 3 later), got 6");
  CHECK_THROWS_AS(windows(series, {.length = 7}), ShapeError);
  CHECK_THROWS_AS(windows(Tensor<double>{1, 2, 3}, {.length = 1}), ShapeError);
  CHECK_THROWS_WITH(windows(series, {}),
                    "[windows] length, stride and horizon: expected >= 1, got 0, 1 and 1");
  CHECK_THROWS_AS(windows(series, {.length = 2, .stride = 0}), ArgumentError);
  CHECK_THROWS_WITH(windows(series, {.length = 2, .columns = {2}}),
                    "[windows] columns: expected 0..1, got 2");
}
