// Losses at the edges: what is ruled out, ignored, masked or has weight 0 counts for exactly nothing.
#include <catch2/catch.hpp>
#include <cmath>
#include <fstream>
#include <regex>
#include <set>
#include <sstream>

#include "layers/losses.hpp"
#include "tests/framework/zero_upstream.hpp"

using namespace unroll;
using test::kInf;
using test::kNaN;
using test::op;

namespace {

struct Loss {
  std::string name;
  test::Op f;
  std::vector<Shape> shapes;  // of the inputs, which lie in 0.1..0.9
};

constexpr Reduction kReductions[]{Reduction::none, Reduction::sum, Reduction::mean};

void add_classification(std::vector<Loss>& losses) {
  const IndexTensor rows{2, 0, -100, 1}, positions{{0, 2, -100}, {1, 1, 0}};
  for (const Reduction reduction : kReductions) {
    for (const std::vector<double>& weights : {std::vector<double>{}, std::vector<double>{0.5, 0.0, 2.0}}) {
      for (const double smoothing : {0.0, 0.2, 1.0}) {
        const CrossEntropyOptions options{
            .reduction = reduction, .class_weights = weights, .label_smoothing = smoothing};
        losses.push_back({"cross_entropy",
                          op([=](const auto& v) { return cross_entropy(v[0], rows, options); }),
                          {{4, 3}}});
        losses.push_back({"cross_entropy",
                          op([=](const auto& v) { return cross_entropy(v[0], positions, options); }),
                          {{2, 3, 3}}});
        losses.push_back({"cross_entropy",
                          op([=](const auto& v) { return cross_entropy(v[0], v[1], options); }),
                          {{4, 3}, {4, 3}}});
        losses.push_back({"cross_entropy",
                          op([=](const auto& v) {
                            auto target = v[0].detach();
                            target.mutable_value().fill(0);
                            target.mutable_value()(0, 1) = 1;
                            return cross_entropy(v[0], target, options);
                          }),
                          {{4, 3}}});
      }
      const CrossEntropyOptions options{.reduction = reduction, .class_weights = weights};
      losses.push_back(
          {"nll_loss", op([=](const auto& v) { return nll_loss(v[0], rows, options); }), {{4, 3}}});
      losses.push_back(
          {"nll_loss", op([=](const auto& v) { return nll_loss(v[0], positions, options); }), {{2, 3, 3}}});
    }
  }
}

void add_regression(std::vector<Loss>& losses) {
  const std::vector<Shape> pair{{3, 5}, {3, 5}};
  for (const Reduction r : kReductions) {
    losses.push_back({"mse_loss", op([r](const auto& v) { return mse_loss(v[0], v[1], r); }), pair});
    losses.push_back({"l1_loss", op([r](const auto& v) { return l1_loss(v[0], v[1], r); }), pair});
    for (const double edge : {0.3, kInf}) {
      losses.push_back(
          {"huber_loss", op([=](const auto& v) { return huber_loss(v[0], v[1], edge, r); }), pair});
      losses.push_back(
          {"smooth_l1_loss", op([=](const auto& v) { return smooth_l1_loss(v[0], v[1], edge, r); }), pair});
    }
    losses.push_back(
        {"smooth_l1_loss", op([r](const auto& v) { return smooth_l1_loss(v[0], v[1], 0.0, r); }), pair});
    losses.push_back(
        {"cosine_embedding_loss", op([r](const auto& v) {
           return cosine_embedding_loss(v[0], v[1], IndexTensor{1, -1, 1}, {.margin = -0.9, .reduction = r});
         }),
         pair});
  }
}

void add_probabilities(std::vector<Loss>& losses) {
  const std::vector<Shape> pair{{3, 5}, {3, 5}};
  for (const Reduction reduction : kReductions) {
    losses.push_back(
        {"bce_with_logits",
         op([=](const auto& v) { return bce_with_logits(v[0], v[1], {.reduction = reduction}); }), pair});
    losses.push_back({"bce_with_logits",
                      op([=](const auto& v) {
                        return bce_with_logits(v[0], v[1],
                                               {.reduction = reduction, .weight = v[2], .pos_weight = v[3]});
                      }),
                      {{3, 5}, {3, 5}, {3, 1}, {5}}});
    losses.push_back({"bce_with_logits", op([=](const auto& v) {
                        auto weight = select(v[0], 0, 0).detach();
                        weight.mutable_value()(1) = 0;
                        return bce_with_logits(v[0], v[1], {.reduction = reduction, .weight = weight});
                      }),
                      pair});
  }
  for (const KlReduction reduction :
       {KlReduction::none, KlReduction::sum, KlReduction::mean, KlReduction::batchmean}) {
    for (const bool log_target : {false, true}) {
      const KlDivOptions options{.reduction = reduction, .log_target = log_target};
      losses.push_back(
          {"kl_div_loss", op([=](const auto& v) { return kl_div_loss(v[0], v[1], options); }), pair});
      losses.push_back({"kl_div_loss",
                        op([=](const auto& v) {
                          auto target = v[0].detach();
                          target.mutable_value().fill(0.25);
                          target.mutable_value()(1, 2) = log_target ? -kInf : 0.0;
                          return kl_div_loss(v[0], target, options);
                        }),
                        {{3, 5}}});
    }
  }
}

void add_sequences(std::vector<Loss>& losses) {
  const IndexTensor targets{{1, 2}, {2, 2}, {1, 0}};
  const std::vector<Index> steps{4, 3, 2}, labels{2, 2, 1};
  for (const Reduction reduction : kReductions) {
    for (const bool zero_infinity : {false, true}) {
      losses.push_back({"ctc_loss",
                        op([=](const auto& v) {
                          return ctc_loss(log_softmax(v[0]), targets, steps, labels,
                                          {.reduction = reduction, .zero_infinity = zero_infinity});
                        }),
                        {{4, 3, 4}}});
      losses.push_back({"ctc_loss",
                        op([=](const auto& v) {
                          return ctc_loss(v[0], targets, steps, labels,
                                          {.reduction = reduction, .zero_infinity = zero_infinity});
                        }),
                        {{4, 3, 4}}});
    }
  }
  const std::vector<Index> lengths{3, 0, 2};
  const std::vector<Shape> values{{3, 3, 2}};
  losses.push_back({"masked_sum", op([=](const auto& v) { return masked_sum(v[0], lengths); }), values});
  losses.push_back({"masked_mean", op([=](const auto& v) { return masked_mean(v[0], lengths); }), values});
  losses.push_back({"masked_sum_over_time",
                    op([=](const auto& v) { return masked_sum_over_time(v[0], lengths, {true}); }), values});
  for (const double dc : {0.0, 0.5}) {
    losses.push_back({"esr_loss",
                      op([=](const auto& v) {
                        return esr_loss(v[0], v[1], {.dc = dc, .lengths = {3, 0, 2}});
                      }),
                      {{3, 3, 2}, {3, 3, 2}}});
  }
  losses.push_back({"masked_mean_over_time",
                    op([=](const auto& v) { return masked_mean_over_time(v[0], lengths); }), values});
}

std::vector<Loss> all_losses() {
  std::vector<Loss> losses;
  add_classification(losses);
  add_regression(losses);
  add_probabilities(losses);
  add_sequences(losses);
  return losses;
}

// Value and gradients of all inputs.
template <class F>
std::vector<Tensor<double>> differentiate(F f, const std::vector<Tensor<double>>& inputs) {
  std::vector<Var<double>> vars;
  for (const auto& t : inputs) vars.push_back(parameter(t));
  Tape tape;
  const Var<double> loss = f(vars);
  tape.backward(loss, Var<double>(ones<double>(loss.shape())));
  std::vector<Tensor<double>> result{loss.value()};
  for (const auto& v : vars) result.push_back(v.grad());
  return result;
}

using Tensors = std::vector<Tensor<double>>;

}  // namespace

TEST_CASE("for every loss, an upstream gradient of 0 gives 0 wherever its inputs are") {
  std::set<std::string> tested;
  for (const Loss& loss : all_losses()) {
    INFO(loss.name);
    tested.insert(loss.name);
    test::check_zero_upstream(loss.f, test::distinct_inputs(loss.shapes, 0.1, 0.9));
  }
  std::set<std::string> declared;
  for (const char* header : {"losses", "ctc", "masked"}) {
    std::ifstream file(std::string(UNROLL_SOURCE_DIR "/layers/") + header + ".hpp");
    std::stringstream text;
    text << file.rdbuf();
    const std::string all = text.str();
    const std::regex function(R"(\nVar<S> (\w+)\()");
    for (std::sregex_iterator m(all.begin(), all.end(), function), end; m != end; ++m)
      declared.insert((*m)[1]);
  }
  CHECK(tested == declared);
}

TEST_CASE("classes that the target rules out add nothing to the Kullback-Leibler divergence") {
  const auto of = [](bool log_target) {
    return [log_target](const auto& v) {
      return kl_div_loss(v[0], v[1], {.reduction = KlReduction::sum, .log_target = log_target});
    };
  };
  CHECK(differentiate(of(false), {{-kInf, 0.0}, {0.0, 1.0}}) == Tensors{0.0, {0.0, -1.0}, {kInf, 1.0}});
  CHECK(differentiate(of(true), {{-1.0, 0.0}, {-kInf, 0.0}}) == Tensors{0.0, {0.0, -1.0}, {0.0, 1.0}});
  CHECK(differentiate(of(true), {{-kInf, 0.0}, {-kInf, 0.0}}) == Tensors{0.0, {0.0, -1.0}, {0.0, 1.0}});
  // What the prediction rules out but the target does not costs infinitely much.
  CHECK(differentiate(of(false), {{-kInf, 0.0}, {0.5, 0.5}})[0]() == kInf);
}

TEST_CASE("cross-entropy does not see classes that neither logits nor targets allow") {
  const Tensor<double> logits{{-kInf, 0.0, 0.0}, {0.0, -kInf, -kInf}};
  const auto with_labels = [](const auto& v) {
    return cross_entropy(v[0], IndexTensor{1, 0}, {.reduction = Reduction::sum});
  };
  const Tensors rows = differentiate(with_labels, {logits});
  CHECK(rows[0]() == Approx(std::log(2.0)));
  CHECK(rows[1] == Tensor<double>{{0.0, -0.5, 0.5}, {0.0, 0.0, 0.0}});
  const Tensor<double> one_hot{{0.0, 1.0, 0.0}, {1.0, 0.0, 0.0}};
  const Tensors soft = differentiate(
      [&](const auto& v) { return cross_entropy(v[0], Var<double>(one_hot), {.reduction = Reduction::sum}); },
      {logits});
  CHECK(soft[0]() == Approx(std::log(2.0)));
  CHECK(xt::allclose(soft[1], rows[1], 1e-15, 1e-15));
  // A label that is ruled out costs infinitely much, unless its class has weight 0.
  const auto weighted = [](const std::vector<double>& w) {
    return [w](const auto& v) {
      return cross_entropy(v[0], IndexTensor{0, 0}, {.reduction = Reduction::sum, .class_weights = w});
    };
  };
  CHECK(differentiate(weighted({1.0, 1.0, 1.0}), {logits})[0]() == kInf);
  CHECK(differentiate(weighted({0.0, 1.0, 1.0}), {logits}) == Tensors{0.0, zeros<double>({2, 3})});
  // Nor does smoothing spread to a class of weight 0.
  const auto smoothed = [](const auto& v) {
    return cross_entropy(
        v[0], IndexTensor{1},
        {.reduction = Reduction::sum, .class_weights = {0.0, 1.0, 1.0}, .label_smoothing = 0.3});
  };
  CHECK(differentiate(smoothed, {{{-kInf, 0.0, 0.0}}})[0]() == Approx(0.9 * std::log(2.0)));
}

TEST_CASE("an ignored label or one of weight 0 has loss and gradient 0, also at logits of NaN") {
  for (const double smoothing : {0.0, 0.2}) {
    const auto f = [=](const auto& v) {
      return cross_entropy(v[0], IndexTensor{-100, 2}, {.label_smoothing = smoothing});
    };
    const Tensors beside = differentiate(f, {{{kNaN, kInf, 0.0}, {1.0, 2.0, 3.0}}});
    const Tensors alone = differentiate(f, {{{0.0, 0.0, 0.0}, {1.0, 2.0, 3.0}}});
    CHECK(beside == alone);
  }
  const auto weightless = [](const auto& v) {
    return cross_entropy(v[0], IndexTensor{1, 2}, {.class_weights = {1.0, 0.0, 1.0}});
  };
  CHECK(differentiate(weightless, {{{kNaN, kInf, 0.0}, {1.0, 2.0, 3.0}}}) ==
        differentiate(weightless, {{{0.0, 0.0, 0.0}, {1.0, 2.0, 3.0}}}));
  const auto likelihood = [](const auto& v) {
    return nll_loss(v[0], IndexTensor{1, 2}, {.class_weights = {1.0, 0.0, 1.0}});
  };
  CHECK(differentiate(likelihood, {{{0.0, -kInf, 0.0}, {-1.0, -2.0, -3.0}}}) ==
        Tensors{3.0, {{0.0, 0.0, 0.0}, {0.0, 0.0, -1.0}}});
}

TEST_CASE("binary cross-entropy of infinite logits is 0 where they are right and infinite where wrong") {
  const auto f = [](const auto& v) { return bce_with_logits(v[0], v[1], {.reduction = Reduction::none}); };
  const Tensors got = differentiate(f, {{kInf, -kInf, kInf, -kInf}, {1.0, 0.0, 0.0, 1.0}});
  CHECK(got[0] == Tensor<double>{0.0, 0.0, kInf, kInf});
  CHECK(got[1] == Tensor<double>{0.0, 0.0, 1.0, -1.0});
  const auto weighted = [](const auto& v) {
    return bce_with_logits(v[0], v[1], {.reduction = Reduction::sum, .weight = Tensor<double>{0.0, 1.0}});
  };
  const Tensors half = differentiate(weighted, {{kNaN, 0.0}, {0.5, 1.0}});
  CHECK(half[0]() == Approx(std::log(2.0)));
  CHECK(half[1] == Tensor<double>{0.0, -0.5});
}

TEST_CASE("losses of pairs that are masked afterwards add nothing") {
  const Mask first = test::mask({2}, {1, 0});
  const auto masked = [&](auto loss) {
    return [&first, loss](const auto& v) { return sum(masked_fill(loss(v[0], v[1]), first, 0.0)); };
  };
  const auto huber = [](const auto& a, const auto& b) { return huber_loss(a, b, 1.0, Reduction::none); };
  CHECK(differentiate(masked(huber), {{kInf, 0.5}, {0.0, 0.0}}) == Tensors{0.125, {0.0, 0.5}, {0.0, -0.5}});
  const auto square_error = [](const auto& a, const auto& b) { return mse_loss(a, b, Reduction::none); };
  CHECK(differentiate(masked(square_error), {{kNaN, 0.5}, {0.0, 0.0}}) ==
        Tensors{0.25, {0.0, 1.0}, {0.0, -1.0}});
  const auto cosine = [](const auto& a, const auto& b) {
    return cosine_embedding_loss(a, b, IndexTensor{1, 1}, {.reduction = Reduction::none});
  };
  const Tensors angle = differentiate(masked(cosine), {{{kInf, 1.0}, {1.0, 0.0}}, {{1.0, kNaN}, {0.0, 2.0}}});
  CHECK(angle[0]() == 1.0);
  CHECK(xt::allclose(angle[1], Tensor<double>{{0.0, 0.0}, {0.0, -1.0}}));
  // A loss that counts with weight 0 in a sum: as a whole it has gradient 0.
  const Tensors weightless =
      differentiate([](const auto& v) { return mse_loss(v[0], v[1]) * 0.0; }, {{kInf, 1.0}, {0.0, 0.0}});
  CHECK(weightless[1] == Tensor<double>{0.0, 0.0});
}

TEST_CASE("the cosine of a vector of zeros is 0, with a finite gradient") {
  const auto f = [](const auto& v) {
    return cosine_embedding_loss(v[0], v[1], IndexTensor{1, 1}, {.reduction = Reduction::none});
  };
  const Tensors got = differentiate(f, {{{0.0, 0.0}, {0.0, 0.0}}, {{0.0, 0.0}, {3.0, 4.0}}});
  CHECK(got[0] == Tensor<double>{1.0, 1.0});
  CHECK(xt::all(xt::isfinite(got[1])));
  CHECK(xt::all(xt::isfinite(got[2])));
}

TEST_CASE("a mean over no steps is NaN with gradient 0, the other sequences' stay") {
  const Tensor<double> values{{kNaN, 1.0}, {kInf, 3.0}};  // (T,B)
  const auto each = [](const auto& v) { return masked_mean_over_time(v[0], {0, 2}); };
  const Tensors got = differentiate(each, {values});
  CHECK(std::isnan(got[0](0)));
  CHECK(got[0](1) == 2.0);
  CHECK(got[1] == Tensor<double>{{0.0, 0.5}, {0.0, 0.5}});
  const Tensors none = differentiate([](const auto& v) { return masked_mean(v[0], {0, 0}); }, {values});
  CHECK(std::isnan(none[0]()));
  CHECK(none[1] == zeros<double>({2, 2}));
  CHECK(differentiate(
            [](const auto& v) {
              return masked_mean(v[0], {0, 2});
            },
            {values}) == Tensors{2.0, {{0.0, 0.5}, {0.0, 0.5}}});
}

TEST_CASE("a CTC loss that is left out has gradient 0, also where no alignment spells the target") {
  const IndexTensor targets{{1, 1}, {2, 1}};
  const auto f = [&](const auto& v) {  // two steps cannot spell 1 1
    return select(ctc_loss(v[0], targets, {2, 2}, {2, 2}, {.reduction = Reduction::none}), 0, 1);
  };
  Tensor<double> x = full<double>({2, 2, 3}, std::log(1.0 / 3.0));
  x(0, 1, 0) = -kInf;  // a class that the only alignment does not need
  const Tensors got = differentiate(f, {x});
  CHECK(got[0]() == Approx(2.0 * std::log(3.0)));
  Tensor<double> want = zeros<double>({2, 2, 3});
  want(0, 1, 2) = want(1, 1, 1) = -1.0;
  CHECK(xt::allclose(got[1], want));
  // Without steps there is nothing to read.
  const Tensors nothing = differentiate(
      [](const auto& v) {
        return ctc_loss(v[0], zeros<std::int64_t>({2, 0}), {}, {}, {.reduction = Reduction::none});
      },
      {zeros<double>({0, 2, 3})});
  CHECK(nothing[0] == Tensor<double>{0.0, 0.0});
}

TEST_CASE("a log-target whose probability is 0 in float rules a class out") {
  const float inf = std::numeric_limits<float>::infinity();
  for (const float q : {-200.0f, -inf}) {
    const Var<float> x = parameter(Tensor<float>{-inf, -1.0f});
    Tape tape;
    const Var<float> loss = kl_div_loss(x, Var<float>(Tensor<float>{q, -1.0f}),
                                        {.reduction = KlReduction::sum, .log_target = true});
    CHECK(loss.item() == 0.0f);
    tape.backward(loss);
    CHECK(x.grad()(0) == 0.0f);
  }
}
