#include <catch2/catch.hpp>
#include <cmath>

#include "framework/random.hpp"
#include "ops_table.hpp"

namespace unroll::test {
namespace {

Reference normalized(double eps) {
  return [eps](const Tensors& in) -> Tensors {
    return {build(in[0].shape(), [&](const Position& p) {
      const std::size_t n = in[0].shape().back();
      const auto count = static_cast<double>(n);
      double mean = 0.0, variance = 0.0;
      Position q = p;
      for (q.back() = 0; q.back() < n; ++q.back()) mean += element(in[0], q) / count;
      for (q.back() = 0; q.back() < n; ++q.back()) variance += std::pow(element(in[0], q) - mean, 2) / count;
      const double z = (element(in[0], p) - mean) / std::sqrt(variance + eps);
      return in.size() == 1 ? z : z * element(in[1], {p.back()}) + element(in[2], {p.back()});
    })};
  };
}

Row layer_norm_row() {
  Row row("layer_norm");
  const auto affine = [](const auto& v) { return layer_norm(v[0], v[1], v[2]); };
  const auto plain = [](const auto& v) { return layer_norm(v[0]); };
  row.float_tolerance(5e-6);
  row.on({{3, 5}, {5}, {5}}, affine, normalized(1e-5));
  row.on({{2, 3, 19}, {19}, {19}}, affine, normalized(1e-5));
  row.on({{4}, {4}, {4}}, affine, normalized(1e-5));
  row.on({{3, 5}}, plain, normalized(1e-5));
  row.on({{2, 3, 4}}, plain, normalized(1e-5));
  row.on({{0, 4}, {4}, {4}}, affine, normalized(1e-5));
  row.on(
      {{3, 5}, {5}, {5}}, [](const auto& v) { return layer_norm(v[0], v[1], v[2], 0.1); }, normalized(0.1));
  // Equal elements have variance 0: eps keeps the result finite.
  row.at({{3.0, 3.0, 3.0}}, plain, {{0.0, 0.0, 0.0}}, {{0.0, 0.0, 0.0}});
  // A large mean must not cancel the variance.
  const double z = 1.0 / std::sqrt(1.0 + 1e-5);
  row.at({{4097.0, 4095.0, 4097.0, 4095.0}}, plain, {{z, -z, z, -z}});
  row.rejects(Kind::shape, {{3, 5}, {4}, {5}}, affine);
  row.rejects(Kind::shape, {{3, 5}, {5}, {4}}, affine);
  row.rejects(Kind::shape, {{3, 5}, {1}, {5}}, affine);
  row.rejects(Kind::shape, {{3, 5}, {3, 5}, {5}}, affine);
  row.rejects(Kind::shape, {{}}, plain);
  return row;
}

Row dropout_row() {
  Row row("dropout");
  const auto with = [](double p) {
    return [p](const auto& v) {
      Rng rng(7);
      return dropout(v[0], p, rng);
    };
  };
  // Which elements survive is the generator's choice; that they are scaled or 0 is not. The reference is told
  // the choice by what happens to a tensor of ones.
  const auto kept = [](double p) -> Reference {
    return [p](const Tensors& in) -> Tensors {
      Rng rng(7);
      const Tensor<double> survivors = dropout(Var<double>(ones<double>(in[0].shape())), p, rng).value();
      return {build(in[0].shape(), [&](const Position& q) {
        return element(survivors, q) == 0.0 ? 0.0 : element(in[0], q) / (1.0 - p);
      })};
    };
  };
  row.on({{3, 13}}, with(0.4), kept(0.4))
      .on({{2, 3, 4}}, with(0.75), kept(0.75))
      .on({{5}}, with(0.0), kept(0.0));
  row.on({{0, 2}}, with(0.5), kept(0.5));
  row.at({{1.0, -2.0}}, with(0.0), {{1.0, -2.0}}, {{1.0, 1.0}});
  row.at({{1.0, -2.0}}, with(1.0), {{0.0, 0.0}}, {{0.0, 0.0}});
  for (double bad : {-0.1, 1.1, kNaN}) row.rejects(Kind::argument, {{2}}, with(bad));
  return row;
}

}  // namespace

std::vector<Row> normalization_rows() { return {dropout_row(), layer_norm_row()}; }

TEST_CASE("dropout and normalisation have the right value, gradients and errors") {
  for (const Row& row : normalization_rows()) {
    DYNAMIC_SECTION(row.name) { check(row); }
  }
}

TEST_CASE("dropout keeps the mean, drops the given share and follows its generator") {
  Rng rng(3);
  const std::size_t n = 100'000;
  const Var<float> x(ones<float>({n}));
  const Var<float> y = dropout(x, 0.3, rng);
  std::size_t dropped = 0;
  for (float v : y.value()) {
    if (v == 0.0F) ++dropped;
    REQUIRE((v == 0.0F || std::abs(v - 1.0F / 0.7F) < 1e-6F));
  }
  // 4 standard deviations of a binomial distribution
  CHECK(std::abs(static_cast<double>(dropped) - 0.3 * n) < 4.0 * std::sqrt(n * 0.3 * 0.7));
  Rng same(3), other(4);
  CHECK((dropout(x, 0.3, same).value() == y.value()));
  CHECK((dropout(x, 0.3, other).value() != y.value()));
  CHECK((dropout(x, 0.3, rng).value() != y.value()));
}

}  // namespace unroll::test
