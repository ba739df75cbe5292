// CTC: against the sum over all alignments, central differences, float against double, and what it refuses.
#include "layers/losses.hpp"

#include <catch2/catch.hpp>
#include <cmath>
#include <limits>

#include "check_derivatives.hpp"
#include "framework/errors.hpp"
#include "framework/gradcheck.hpp"
#include "framework/random.hpp"

using namespace unroll;
using Catch::Contains;
using test::check_derivatives;

namespace {

constexpr double kInf = std::numeric_limits<double>::infinity();

using Labels = std::vector<std::int64_t>;

Tensor<double> random_scores(const Shape& shape, std::uint64_t seed) {
  Rng rng(seed);
  return random_normal<double>(shape, -1.0, 1.0, rng);
}

// Merges repeated classes, then drops blanks.
Labels spelled(const Labels& alignment, std::int64_t blank) {
  Labels result;
  std::int64_t before = blank;
  for (const std::int64_t k : alignment) {
    if (k != before && k != blank) result.push_back(k);
    before = k;
  }
  return result;
}

// -log of the sum over all C^T alignments of sequence n that spell target.
double by_enumeration(const Tensor<double>& x, std::size_t n, std::size_t steps, const Labels& target,
                      std::int64_t blank) {
  const auto classes = static_cast<std::int64_t>(x.shape()[2]);
  Labels alignment(steps, 0);
  double total = 0.0;
  while (true) {
    if (spelled(alignment, blank) == target) {
      double score = 0.0;
      for (std::size_t t = 0; t < steps; ++t) score += x(t, n, static_cast<std::size_t>(alignment[t]));
      total += std::exp(score);
    }
    std::size_t t = 0;
    while (t < steps && ++alignment[t] == classes) alignment[t++] = 0;
    if (t == steps) break;
  }
  return -std::log(total);
}

double loss_of(const Tensor<double>& x, const Labels& target, const CtcOptions& options = {}) {
  IndexTensor labels(Shape{1, target.size()});
  std::copy(target.begin(), target.end(), labels.data());
  return ctc_loss(Var<double>(x), labels, {}, {}, options).item() *
         (options.reduction == Reduction::mean ? std::max(1.0, static_cast<double>(target.size())) : 1.0);
}

// Three sequences of different lengths: a repeated label, another target, none. 1 is the blank; behind the
// targets stands what is no label.
const IndexTensor kTargets{{0, 3, -7}, {2, 2, 0}, {1, 99, -1}};
const std::vector<Index> kSteps{4, 5, 3}, kLabels{2, 3, 0};

}  // namespace

TEST_CASE("CTC is the sum over all alignments") {
  for (const std::size_t steps : {1U, 2U, 3U, 4U, 5U}) {
    const Tensor<double> x = random_scores({steps, 1, 4}, steps);
    for (const Labels& target : {Labels{}, Labels{2}, Labels{1, 3}, Labels{3, 1, 3}, Labels{2, 2},
                                 Labels{1, 1, 2}, Labels{2, 1, 1, 3}}) {
      const double want = by_enumeration(x, 0, steps, target, 0);
      INFO(steps << " steps, " << target.size() << " labels");
      CHECK(loss_of(x, target) == Approx(want).epsilon(1e-13));
    }
    const Labels with_zero{0, 2, 2};
    for (const Index blank : {1, 3}) {
      const double want = by_enumeration(x, 0, steps, with_zero, blank);
      CHECK(loss_of(x, with_zero, {.blank = blank}) == Approx(want).epsilon(1e-13));
    }
  }
}

TEST_CASE("CTC of a ragged batch, padded or end to end, is that of each sequence; its mean is PyTorch's") {
  const Tensor<double> x = random_scores({5, 3, 4}, 11);
  const double want[] = {by_enumeration(x, 0, 4, {0, 3}, 1), by_enumeration(x, 1, 5, {2, 2, 0}, 1),
                         by_enumeration(x, 2, 3, {}, 1)};
  const auto loss = [&](const IndexTensor& targets, Reduction reduction) {
    return ctc_loss(Var<double>(x), targets, kSteps, kLabels, {.blank = 1, .reduction = reduction}).value();
  };
  for (const IndexTensor& targets : {kTargets, IndexTensor{0, 3, 2, 2, 0}}) {
    const Tensor<double> each = loss(targets, Reduction::none);
    REQUIRE(each.shape() == Shape{3});
    for (std::size_t n = 0; n < 3; ++n) CHECK(each(n) == Approx(want[n]).epsilon(1e-13));
    CHECK(loss(targets, Reduction::sum)() == Approx(want[0] + want[1] + want[2]).epsilon(1e-13));
    CHECK(loss(targets, Reduction::mean)() ==
          Approx((want[0] / 2.0 + want[1] / 3.0 + want[2]) / 3.0).epsilon(1e-13));
  }
}

TEST_CASE("CTC has exact first and second derivatives, normalised or not") {
  const Tensor<double> x = random_scores({5, 3, 4}, 12);
  for (const Reduction reduction : {Reduction::mean, Reduction::sum, Reduction::none}) {
    const CtcOptions options{.blank = 1, .reduction = reduction};
    check_derivatives([&](const auto& v) { return ctc_loss(v[0], kTargets, kSteps, kLabels, options); }, {x});
    check_derivatives(
        [&](const auto& v) { return ctc_loss(log_softmax(v[0], 2), kTargets, kSteps, kLabels, options); },
        {x});
  }
  check_derivatives(
      [&](const auto& v) {
        return ctc_loss(v[0], IndexTensor{{2, 1}, {1, 1}, {3, 1}}, {}, {});
      },
      {random_scores({4, 3, 4}, 13)});
  check_derivatives(
      [&](const auto& v) {
        return ctc_loss(v[0], IndexTensor(Shape{2, 0}), {2, 3}, {}, {.reduction = Reduction::none});
      },
      {random_scores({3, 2, 3}, 14)});
}

TEST_CASE("the hand-derived gradient of CTC is that of its recorded form") {
  const Tensor<double> scores = random_scores({5, 3, 4}, 15);
  for (const bool zero_infinity : {false, true}) {
    const Var<double> x = parameter(scores);
    Tape tape;
    // The second target needs three steps and has two.
    const Var<double> loss = ctc_loss(x, IndexTensor{{2, 2}, {3, 3}, {3, 2}}, {5, 2, 4}, {2, 2, 1},
                                      {.reduction = Reduction::none, .zero_infinity = zero_infinity});
    const Var<double> upstream(Tensor<double>{0.7, -1.3, 0.4});
    const Tensor<double> by_hand = gradients<double>({loss}, {x}, {upstream})[0].value();
    const Tensor<double> recorded = gradients<double>({loss}, {x}, {upstream}, true)[0].value();
    for (std::size_t i = 0; i < by_hand.size(); ++i) {
      INFO("element " << i);
      CHECK(std::isnan(by_hand.data()[i]) == std::isnan(recorded.data()[i]));
      if (!std::isnan(by_hand.data()[i])) {
        CHECK(recorded.data()[i] == Approx(by_hand.data()[i]).epsilon(1e-12).margin(1e-15));
      }
    }
  }
}

TEST_CASE("a target that no alignment spells has loss inf and gradient NaN, or 0 and 0 if so wished") {
  const Tensor<double> scores = random_scores({3, 2, 3}, 16);
  const IndexTensor targets{{2, 2}, {1, 1}};
  for (const bool zero_infinity : {false, true}) {
    const Var<double> x = parameter(scores);
    Tape tape;
    const Var<double> each =
        ctc_loss(x, targets, {2, 3}, {}, {.reduction = Reduction::none, .zero_infinity = zero_infinity});
    CHECK(each.value()(0) == (zero_infinity ? 0.0 : kInf));
    CHECK(each.value()(1) == Approx(by_enumeration(scores, 1, 3, {1, 1}, 0)).epsilon(1e-13));
    tape.backward(sum(each));
    for (std::size_t t = 0; t < 3; ++t) {
      for (std::size_t c = 0; c < 3; ++c) {
        if (zero_infinity || t == 2 || c == 1) {
          CHECK(x.grad()(t, 0, c) == 0.0);
        } else {
          CHECK(std::isnan(x.grad()(t, 0, c)));
        }
        CHECK(std::isfinite(x.grad()(t, 1, c)));
      }
    }
  }
  check_derivatives(
      [&](const auto& v) {
        return ctc_loss(v[0], targets, {2, 3}, {}, {.zero_infinity = true});
      },
      {scores});
}

TEST_CASE("no steps spell the empty target and nothing else") {
  const Tensor<double> x = random_scores({2, 2, 3}, 17);
  const Tensor<double> each =
      ctc_loss(Var<double>(x), IndexTensor{{1, 2}, {2, 1}}, {0, 0}, {0, 1}, {.reduction = Reduction::none})
          .value();
  CHECK(each(0) == 0.0);
  CHECK(each(1) == kInf);
}

TEST_CASE("CTC sees nothing behind a sequence's last step, and NaN before it stays NaN") {
  Tensor<double> scores = random_scores({5, 3, 4}, 18);
  const CtcOptions options{.blank = 1, .reduction = Reduction::none};
  const Tensor<double> want = ctc_loss(Var<double>(scores), kTargets, kSteps, kLabels, options).value();
  for (std::size_t n = 0; n < 3; ++n) {
    for (std::size_t t = static_cast<std::size_t>(kSteps[n]); t < 5; ++t) {
      for (std::size_t c = 0; c < 4; ++c) scores(t, n, c) = std::nan("");
    }
  }
  for (const bool recorded : {false, true}) {
    const Var<double> x = parameter(scores);
    Tape tape;
    const Var<double> each = ctc_loss(x, kTargets, kSteps, kLabels, options);
    CHECK(each.value() == want);
    const Tensor<double> g = gradients<double>({sum(each)}, {x}, {}, recorded)[0].value();
    for (const double v : g) CHECK(std::isfinite(v));
    CHECK(g(4, 0, 3) == 0.0);
    CHECK(g(3, 2, 1) == 0.0);
  }
  scores(1, 0, 3) = std::nan("");
  CHECK(std::isnan(ctc_loss(Var<double>(scores), kTargets, kSteps, kLabels, options).value()(0)));
}

TEST_CASE("a class of probability zero closes its alignments and has gradient 0") {
  Tensor<double> scores = random_scores({4, 1, 3}, 19);
  scores(0, 0, 1) = -kInf;
  scores(2, 0, 0) = -kInf;
  for (const bool recorded : {false, true}) {
    const Var<double> x = parameter(scores);
    Tape tape;
    const Var<double> loss = ctc_loss(x, IndexTensor{{1, 2}}, {}, {}, {.reduction = Reduction::sum});
    CHECK(loss.item() == Approx(by_enumeration(scores, 0, 4, {1, 2}, 0)).epsilon(1e-13));
    const Tensor<double> g = gradients<double>({loss}, {x}, {}, recorded)[0].value();
    CHECK(g(0, 0, 1) == 0.0);
    CHECK(g(2, 0, 0) == 0.0);
    // Every alignment is in one state per step.
    for (std::size_t t = 0; t < 4; ++t)
      CHECK(g(t, 0, 0) + g(t, 0, 1) + g(t, 0, 2) == Approx(-1.0).epsilon(1e-13));
  }
}

TEST_CASE("a hook on the input of CTC runs once, also when derivatives are recorded") {
  for (const bool recorded : {false, true}) {
    const Var<double> x = parameter(random_scores({5, 3, 4}, 21));
    int calls = 0;
    Tape tape;
    Var<double> scores = x * 1.0;
    scores.register_hook([&](const Var<double>& g) {
      ++calls;
      return g * 2.0;
    });
    const Var<double> loss =
        ctc_loss(scores, kTargets, kSteps, kLabels, {.blank = 1, .reduction = Reduction::sum});
    const Tensor<double> g = gradients<double>({loss}, {x}, {}, recorded)[0].value();
    CHECK(calls == 1);
    CHECK(sum(Var<double>(g)).item() == Approx(-2.0 * (4 + 5 + 3)).epsilon(1e-12));
  }
}

TEST_CASE("five hundred steps neither underflow nor lose digits") {
  // Equal classes: every alignment has probability C^-T, so the loss counts alignments. A target of S
  // different neighbours has binomial(T + S, 2 S) of them.
  constexpr std::size_t kT = 500, kS = 60, kC = 5;
  IndexTensor target(Shape{1, kS});
  for (std::size_t i = 0; i < kS; ++i) target(0, i) = static_cast<std::int64_t>(1 + i % 4);
  const double log_count =
      std::lgamma(kT + kS + 1.0) - std::lgamma(2.0 * kS + 1.0) - std::lgamma(kT - kS + 1.0);
  const double want = static_cast<double>(kT) * std::log(static_cast<double>(kC)) - log_count;
  const Var<double> x = parameter(full<double>({kT, 1, kC}, -std::log(static_cast<double>(kC))));
  Tape tape;
  const Var<double> loss = ctc_loss(x, target, {}, {}, {.reduction = Reduction::sum});
  CHECK(loss.item() == Approx(want).epsilon(1e-12));
  CHECK(want > 500.0);
  tape.backward(loss);
  for (std::size_t t = 0; t < kT; ++t) {
    double total = 0.0;
    for (std::size_t c = 0; c < kC; ++c) total += x.grad()(t, 0, c);
    CHECK(total == Approx(-1.0).epsilon(1e-10));
  }

  const Var<float> single = parameter(convert_tensor<float>(x.value()));
  const Var<float> loss_single = ctc_loss(single, target, {}, {}, {.reduction = Reduction::sum});
  CHECK(static_cast<double>(loss_single.item()) == Approx(want).epsilon(1e-6));
}

TEST_CASE("CTC in float is that in double, gradients included") {
  const Tensor<double> scores = random_scores({5, 3, 4}, 20);
  const Var<double> x = parameter(scores);
  const Var<float> y = parameter(convert_tensor<float>(scores));
  for (const bool recorded : {false, true}) {
    Tape tape;
    const auto loss_x = ctc_loss(x, kTargets, kSteps, kLabels, {.blank = 1});
    const auto loss_y = ctc_loss(y, kTargets, kSteps, kLabels, {.blank = 1});
    CHECK(static_cast<double>(loss_y.item()) == Approx(loss_x.item()).epsilon(1e-6));
    const auto gx = gradients<double>({loss_x}, {x}, {}, recorded)[0];
    const auto gy = gradients<float>({loss_y}, {y}, {}, recorded)[0];
    for (std::size_t i = 0; i < scores.size(); ++i) {
      CHECK(static_cast<double>(gy.data()[i]) == Approx(gx.data()[i]).epsilon(1e-5).margin(1e-7));
    }
  }
}

TEST_CASE("CTC refuses what does not fit and says where") {
  const Var<float> x(zeros<float>({5, 2, 4}));
  const IndexTensor targets{{1, 2, 3}, {3, 2, 1}};
  CHECK_THROWS_WITH(
      ctc_loss(Var<float>(zeros<float>({5, 4})), targets, {}, {}),
      Contains("[ctc_loss] log_probs: expected (T,N,C), got (5,4) (a single sequence needs a batch"));
  CHECK_THROWS_WITH(ctc_loss(Var<float>(zeros<float>({5})), targets, {}, {}), Contains("got (5)"));
  CHECK_THROWS_WITH(ctc_loss(x, targets, {}, {}, {.blank = 4}),
                    Contains("[ctc_loss] blank: expected a class of log_probs' (5,2,4), got 4"));
  CHECK_THROWS_AS(ctc_loss(x, targets, {}, {}, {.blank = -1}), ArgumentError);
  CHECK_THROWS_WITH(ctc_loss(x, IndexTensor{{1, 2, 3}}, {}, {}),
                    Contains("[ctc_loss] targets: expected (2,S)") && Contains("got (1,3)"));
  CHECK_THROWS_WITH(ctc_loss(x, IndexTensor(Shape{2, 3, 1}, 1), {}, {}), Contains("got (2,3,1)"));
  CHECK_THROWS_WITH(ctc_loss(x, targets, {5}, {}),
                    Contains("input_lengths: expected 2 entries") && Contains("got 1"));
  CHECK_THROWS_WITH(ctc_loss(x, targets, {5, 6}, {}),
                    Contains("[ctc_loss] input_lengths[1]: expected 0..5 (log_probs' T), got 6"));
  CHECK_THROWS_WITH(ctc_loss(x, targets, {-1, 2}, {}), Contains("input_lengths[0]") && Contains("got -1"));
  CHECK_THROWS_WITH(ctc_loss(x, targets, {}, {3, 3, 3}),
                    Contains("target_lengths: expected 2 entries") && Contains("got 3"));
  CHECK_THROWS_WITH(ctc_loss(x, targets, {}, {3, 4}),
                    Contains("target_lengths[1]: expected 0..3 (the targets' S), got 4"));
  CHECK_THROWS_WITH(ctc_loss(x, IndexTensor{1, 2, 3}, {}, {}),
                    Contains("target_lengths: expected 2 entries for concatenated targets, got 0"));
  CHECK_THROWS_WITH(ctc_loss(x, IndexTensor{1, 2, 3}, {}, {1, 1}),
                    Contains("targets: expected 2 labels (the sum of target_lengths), got 3"));
  CHECK_THROWS_WITH(ctc_loss(x, IndexTensor{1, 2, 3}, {}, {1, 4}),
                    Contains("expected 0..3 (number of labels)"));
  CHECK_THROWS_WITH(
      ctc_loss(x, IndexTensor{{1, 2}, {3, 0}}, {}, {}),
      Contains("targets: expected labels 0..3 other than blank 0, got 0 at position 1 of sequence 1"));
  CHECK_THROWS_WITH(ctc_loss(x, IndexTensor{{1, 4}, {3, 1}}, {}, {}),
                    Contains("got 4 at position 1 of sequence 0"));
  CHECK_THROWS_AS(ctc_loss(x, IndexTensor{{1, -1}, {3, 1}}, {}, {}), ShapeError);
}
