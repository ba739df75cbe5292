// EsrLoss: the weight of a batch's ratio.
#include "training/esr_loss.hpp"

#include <catch2/catch.hpp>
#include <utility>
#include <vector>

#include "framework/ops.hpp"
#include "framework/random.hpp"

using namespace unroll;

namespace {

Tensor<double> drawn(std::uint64_t seed) {
  Rng rng(seed);
  return random_normal<double>({5, 3, 2}, 0.3, 1.0, rng);
}

// A signal as it is, whatever the batch.
struct Echo {
  Tensor<double> signal;
  template <class Batch>
  Var<double> operator()(const Batch&) const {
    return Var<double>(signal);
  }
};
struct Recording {
  Tensor<double> targets;
  std::vector<Index> lengths;
};

}  // namespace

TEST_CASE("the mean of ratios over batches is the ratio of all") {
  const Tensor<double> y = drawn(3), u = drawn(4);
  const EsrLoss loss{{.pre_emphasis = 0.95}};
  const auto part = [&](const Tensor<double>& of, std::size_t first, std::size_t last) {
    return slice(Var<double>(of), 1, {static_cast<Index>(first), static_cast<Index>(last)}).value();
  };
  double sum = 0.0, weight = 0.0;
  for (const auto& [first, last] : {std::pair<std::size_t, std::size_t>{0, 1}, {1, 3}}) {
    Echo model{part(y, first, last)};
    const auto result = loss(model, Recording{part(u, first, last), {}});
    sum += result.loss.item() * *result.weight;
    weight += *result.weight;
  }
  Echo whole{y};
  const auto all = loss(whole, Recording{u, {}});
  CHECK(sum / weight == Approx(all.loss.item()).epsilon(1e-13));
  CHECK(weight == Approx(*all.weight).epsilon(1e-13));
  // With lengths, and for silence.
  CHECK(loss(whole, Recording{u, {2, 0, 5}}).loss.item() ==
        esr_loss(Var<double>(y), Var<double>(u), {.pre_emphasis = 0.95, .lengths = {2, 0, 5}}).item());
  CHECK(*loss(whole, Recording{zeros<double>(u.shape()), {}}).weight == 0.0);
}
