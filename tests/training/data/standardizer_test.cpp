#include "training/data/standardizer.hpp"

#include <catch2/catch.hpp>
#include <cmath>
#include <limits>

#include "framework/errors.hpp"
#include "framework/random.hpp"
#include "tests/training/data/same.hpp"
#include "training/forecasting/series.hpp"
#include "training/models/metadata.hpp"

using namespace unroll;

namespace {

double largest_difference(const Tensor<double>& a, const Tensor<double>& b) {
  REQUIRE(a.shape() == b.shape());
  double largest = 0.0;
  for (std::size_t i = 0; i < a.size(); ++i)
    largest = std::max(largest, std::abs(a.data()[i] - b.data()[i]) / std::max(1.0, std::abs(b.data()[i])));
  return largest;
}

// (T,B,3) with features far from 0 and of different sizes.
Tensor<double> measurements(Rng& rng, std::size_t steps, std::size_t batch) {
  Tensor<double> x = random_normal<double>({steps, batch, 3}, 0.0, 1.0, rng);
  for (std::size_t i = 0; i < x.size(); i += 3) {
    x.data()[i] = 1000.0 + 0.5 * x.data()[i];
    x.data()[i + 1] = -3.0 + 40.0 * x.data()[i + 1];
  }
  return x;
}

}  // namespace

TEST_CASE("standardised training data has mean 0 and variance 1, and the inverse gives it back") {
  Rng rng(1);
  const Tensor<double> x = measurements(rng, 50, 4);
  const auto standardizer = Standardizer<double>::fit(x);
  const Tensor<double> y = standardizer.transform(x);
  for (std::size_t f = 0; f < 3; ++f) {
    double sum = 0.0, squares = 0.0;
    for (std::size_t i = f; i < y.size(); i += 3) {
      sum += y.data()[i];
      squares += y.data()[i] * y.data()[i];
    }
    CHECK(std::abs(sum / 200.0) < 1e-12);
    CHECK(squares / 200.0 == Approx(1.0).epsilon(1e-12));
  }
  CHECK(largest_difference(standardizer.inverse(y), x) < 1e-12);
  const Tensor<double> other = measurements(rng, 7, 2);
  CHECK(largest_difference(standardizer.inverse(standardizer.transform(other)), other) < 1e-12);
}

TEST_CASE("padding is neither fitted to nor changed, whatever it holds") {
  Rng rng(2);
  Tensor<double> x = measurements(rng, 6, 3);
  const std::vector<Index> lengths{4, 6, 0};
  std::vector<double> real;
  for (std::size_t b = 0; b < 3; ++b) {
    for (std::size_t t = 0; t < 6; ++t) {
      for (std::size_t f = 0; f < 3; ++f) {
        if (static_cast<Index>(t) < lengths[b]) {
          real.push_back(x(t, b, f));
        } else {
          x(t, b, f) = std::numeric_limits<double>::quiet_NaN();
        }
      }
    }
  }
  const auto standardizer = Standardizer<double>::fit(x, lengths);
  const auto want = Standardizer<double>::fit(from_values<double>({10, 3}, real));
  CHECK(largest_difference(standardizer.mean(), want.mean()) < 1e-12);
  CHECK(largest_difference(standardizer.scale(), want.scale()) < 1e-12);
  const Tensor<double> y = standardizer.transform(x, lengths), back = standardizer.inverse(y, lengths);
  for (std::size_t b = 0; b < 3; ++b) {
    for (std::size_t t = 0; t < 6; ++t) {
      for (std::size_t f = 0; f < 3; ++f) {
        const bool is_real = static_cast<Index>(t) < lengths[b];
        CHECK(std::isnan(y(t, b, f)) != is_real);
        if (!is_real) continue;
        CHECK(y(t, b, f) == (x(t, b, f) - standardizer.mean()(f)) / standardizer.scale()(f));
        CHECK(back(t, b, f) == Approx(x(t, b, f)).epsilon(1e-12));
      }
    }
  }
  Tensor<double> zero = zeros<double>({6, 3, 3});
  CHECK(standardizer.transform(zero, lengths)(5, 0, 0) == 0.0);
}

TEST_CASE("a constant feature stays what it is, less its mean") {
  Tensor<double> x = full<double>({1000, 2}, 0.1);
  for (std::size_t i = 0; i < 1000; ++i) x(i, 1) = static_cast<double>(i % 2);
  const auto standardizer = Standardizer<double>::fit(x);
  CHECK(same(standardizer.mean(), Tensor<double>{0.1, 0.5}));
  CHECK(same(standardizer.scale(), Tensor<double>{1.0, 0.5}));
  CHECK(same(standardizer.transform(Tensor<double>{{0.6, 1.0}}), Tensor<double>{{0.5, 1.0}}));
}

TEST_CASE("small spreads around large means are not lost") {
  Tensor<double> x = zeros<double>({1000, 1});
  for (std::size_t i = 0; i < 1000; ++i) x(i, 0) = 1e9 + (i % 2 == 0 ? 0.001 : -0.001);
  CHECK(Standardizer<double>::fit(x).scale()(0) == Approx(0.001).epsilon(1e-4));
}

TEST_CASE("a data set is standardised by its own steps, and another by the same numbers") {
  Rng rng(3);
  const Tensor<double> series = measurements(rng, 40, 1);
  Tensor<double> rows = series;
  rows.reshape(Shape{40, 3});
  const SequenceDataset<double> data = windows(rows, {.length = 4, .stride = 5});
  const auto standardizer = Standardizer<double>::fit(data);
  std::vector<double> steps;
  for (std::size_t i = 0; i < data.size(); ++i)
    steps.insert(steps.end(), data.values(i).begin(), data.values(i).end());
  const auto want = Standardizer<double>::fit(from_values<double>({steps.size() / 3, 3}, steps));
  CHECK(same(standardizer.mean(), want.mean()));
  CHECK(same(standardizer.scale(), want.scale()));
  const SequenceDataset<double> result = standardizer.transform(data);
  for (std::size_t i = 0; i < data.size(); ++i) {
    for (std::size_t k = 0; k < data.values(i).size(); ++k) {
      CHECK(result.values(i)[k] == (data.values(i)[k] - want.mean()(k % 3)) / want.scale()(k % 3));
    }
    CHECK(std::equal(data.target(i).begin(), data.target(i).end(), result.target(i).begin()));
  }
  CHECK(data.values(0)[0] == rows(0, 0));  // as it was
}

TEST_CASE("a standardizer goes through tensors and JSON unchanged") {
  Rng rng(4);
  const Tensor<double> x = measurements(rng, 9, 2);
  const auto alike = [](const auto& a, const auto& b) {
    return same(a.mean(), b.mean()) && same(a.scale(), b.scale());
  };
  const auto wide = Standardizer<double>::fit(x);
  const auto narrow = Standardizer<float>::fit(convert_tensor<float>(x));
  CHECK(alike(Standardizer<double>::from_tensors(wide.tensors()), wide));
  CHECK(alike(Standardizer<float>::from_tensors(narrow.tensors("a."), "a."), narrow));
  CHECK(alike(Standardizer<double>::from_json(wide.to_json()), wide));
  CHECK(alike(Standardizer<float>::from_json(narrow.to_json()), narrow));
  CHECK_THROWS_WITH(Standardizer<double>::from_tensors(wide.tensors(), "x."),
                    "[Standardizer.from_tensors] tensors: expected 'x.mean', got none");
  CHECK_THROWS_AS(Standardizer<double>::from_tensors({{"standardizer.mean", zeros<double>({2})},
                                                      {"standardizer.scale", zeros<double>({1})}}),
                  ArgumentError);
  for (const char* bad :
       {"", "[]", "{}", R"({"mean":[1]})", R"({"mean":[1],"scale":["x"]})",
        R"({"mean":[1],"scale":[1],"x":0})", R"({"mean":[1],"scale":[0]})", R"({"mean":[1],"scale":[-1]})",
        R"({"mean":1,"scale":[1]})", R"({"mean":[1,2],"scale":[1]})", R"({"mean":[],"scale":[]})"}) {
    CAPTURE(bad);
    CHECK_THROWS_AS(Standardizer<double>::from_json(bad), ArgumentError);
    CHECK_THROWS_WITH(Metadata({{"s", bad}}, "m.npz").parsed<Standardizer<double>>("s"),
                      Catch::Matchers::StartsWith("[metadata] m.npz: 's': [Standardizer"));
  }
}

TEST_CASE("what cannot be fitted or does not fit is refused") {
  using Standard = Standardizer<double>;
  Tensor<double> x = zeros<double>({4, 2});
  const Standard standardizer = Standard::fit(x);
  x(2, 1) = std::numeric_limits<double>::quiet_NaN();
  CHECK_THROWS_AS(Standard::fit(x), ArgumentError);
  CHECK_THROWS_WITH(Standard::fit(x),
                    "[Standardizer.fit] x: expected finite numbers, got nan as feature 1 of row 2");
  CHECK_THROWS_AS(Standard::fit(Tensor<double>(1.0)), ShapeError);
  CHECK_THROWS_WITH(Standard::fit(zeros<double>({0, 2})),
                    "[Standardizer.fit] x: expected at least one row, got none");
  CHECK_THROWS_WITH(Standard::fit(zeros<double>({2, 1, 2}), {0}),
                    "[Standardizer.fit] x: expected at least one row, got none");
  CHECK_THROWS_AS(Standard::fit(zeros<double>({2, 1, 2}), {3}), ShapeError);
  CHECK_THROWS_AS(Standard::fit(zeros<double>({2, 1, 2}), {1, 1}), ShapeError);
  CHECK_THROWS_AS(Standard::fit(x, {1}), ShapeError);
  CHECK_THROWS_WITH(standardizer.transform(zeros<double>({4, 3})),
                    "[Standardizer.transform] x: expected 2 features, got 3");
  CHECK_THROWS_AS(standardizer.inverse(zeros<double>({3})), ShapeError);
  CHECK_THROWS_AS(standardizer.transform(Tensor<double>(1.0)), ShapeError);
  SequenceDataset<double> ids;
  ids.add(std::vector<std::int64_t>{1});
  CHECK_THROWS_AS(Standard::fit(ids), ArgumentError);
  CHECK_THROWS_AS(standardizer.transform(ids), ArgumentError);
  CHECK_THROWS_AS(Standard::fit(SequenceDataset<double>()), ShapeError);
}
