// The error-to-signal ratio: by loops, its derivatives, and what it refuses.
#include <catch2/catch.hpp>
#include <cmath>
#include <limits>

#include "check_derivatives.hpp"
#include "framework/errors.hpp"
#include "framework/random.hpp"
#include "layers/losses.hpp"

using namespace unroll;
using Catch::Contains;
using test::check_derivatives;

namespace {

constexpr std::size_t kSteps = 5, kBatch = 3, kSignals = 2;

Tensor<double> drawn(std::uint64_t seed) {
  Rng rng(seed);
  return random_normal<double>({kSteps, kBatch, kSignals}, 0.3, 1.0, rng);
}

double by_loops(const Tensor<double>& y, const Tensor<double>& u, double p, double dc,
                const std::vector<Index>& lengths) {
  double error = 0.0, signal = 0.0, offset = 0.0, plain = 0.0;
  for (std::size_t b = 0; b < kBatch; ++b) {
    const std::size_t steps = lengths.empty() ? kSteps : static_cast<std::size_t>(lengths[b]);
    for (std::size_t c = 0; c < kSignals; ++c) {
      double before_y = 0.0, before_u = 0.0, sum = 0.0;
      for (std::size_t t = 0; t < steps; ++t) {
        const double e = y(t, b, c) - p * before_y, s = u(t, b, c) - p * before_u;
        error += (e - s) * (e - s);
        signal += s * s;
        plain += u(t, b, c) * u(t, b, c);
        sum += y(t, b, c) - u(t, b, c);
        before_y = y(t, b, c);
        before_u = u(t, b, c);
      }
      if (steps > 0) offset += sum * sum / static_cast<double>(steps);
    }
  }
  return error / signal + dc * offset / plain;
}

}  // namespace

TEST_CASE("the error-to-signal ratio is what loops give") {
  const Tensor<double> y = drawn(1), u = drawn(2);
  for (const double p : {0.0, 0.85, 1.0}) {
    for (const double dc : {0.0, 0.5}) {
      for (const std::vector<Index>& lengths : {std::vector<Index>{}, {5, 2, 0}, {1, 5, 4}}) {
        CAPTURE(p, dc, lengths);
        const EsrOptions options{.pre_emphasis = p, .dc = dc, .lengths = lengths};
        CHECK(esr_loss(Var<double>(y), Var<double>(u), options).item() ==
              Approx(by_loops(y, u, p, dc, lengths)).epsilon(1e-13));
        check_derivatives([&](const auto& v) { return esr_loss(v[0], v[1], options); }, {y, u});
      }
    }
  }
  CHECK(esr_loss(Var<double>(u), Var<double>(u)).item() == 0.0);
  CHECK(esr_loss(Var<double>(zeros<double>(u.shape())), Var<double>(u)).item() == Approx(1.0));
}

TEST_CASE("steps after a sequence's end are in no error-to-signal ratio, whatever they hold") {
  Tensor<double> y = drawn(1), u = drawn(2);
  const std::vector<Index> lengths{5, 3, 1};
  const EsrOptions options{.dc = 1.0, .lengths = lengths};
  const double before = esr_loss(Var<double>(y), Var<double>(u), options).item();
  y(3, 1, 0) = u(4, 2, 1) = std::numeric_limits<double>::quiet_NaN();
  CHECK(esr_loss(Var<double>(y), Var<double>(u), options).item() == before);
}

TEST_CASE("the error-to-signal ratio refuses what does not fit") {
  const Var<double> y(drawn(1)), u(drawn(2));
  CHECK_THROWS_WITH(esr_loss(y, Var<double>(zeros<double>({kSteps, kBatch, 1}))),
                    Contains("[esr_loss] target: expected (5,3,2)") && Contains("got (5,3,1)"));
  CHECK_THROWS_WITH(esr_loss(y, u, {.pre_emphasis = 1.5}),
                    Contains("[esr_loss] pre_emphasis: expected 0..1, got 1.5"));
  CHECK_THROWS_WITH(esr_loss(y, u, {.dc = -1.0}), Contains("dc: expected a number >= 0, got -1"));
  CHECK_THROWS_AS(esr_loss(y, u, {.dc = std::nan("")}), ArgumentError);
  CHECK_THROWS_AS(esr_loss(y, u, {.lengths = {1, 2, 6}}), ArgumentError);
  CHECK_THROWS_AS(esr_loss(y, u, {.lengths = {1, 2}}), ShapeError);
  const Var<double> row(Tensor<double>{1.0, 2.0});
  CHECK_THROWS_AS(esr_loss(row, row), ShapeError);
}
