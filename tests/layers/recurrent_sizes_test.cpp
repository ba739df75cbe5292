// Kernels take other ways for large layers and for states of zeros; the gradients must be the tape's on each.
#include <catch2/catch.hpp>
#include <cmath>

#include "layers/layers.hpp"

using namespace unroll;

namespace {

// Gradients of a loss over outputs and final states by this path: of x, the parameters and, if given, h0.
std::vector<Tensor<double>> gradients_by(Path path, Lstm<double>& layer, const Tensor<double>& x,
                                         const Tensor<double>& h0, const std::vector<Index>& lengths = {}) {
  layer.set_path(path);
  Tape tape;
  const Var<double> input = parameter(x), initial = parameter(h0);
  Rng rng(3);
  const auto c0 = Var<double>(random_normal<double>(h0.shape(), 0.0, 1.0, rng));
  const auto result = layer(input, {.states = {{initial, c0}}, .lengths = lengths});
  const auto upstream = Var<double>(random_normal<double>(result.output.shape(), 0.0, 1.0, rng));
  tape.backward(sum(result.output * upstream) + sum(square(result.states[0].c)));
  std::vector<Tensor<double>> all{input.grad(), initial.grad()};
  for (const auto& p : parameters(layer)) all.push_back(p.grad());
  return all;
}

double worst_difference(const std::vector<Tensor<double>>& a, const std::vector<Tensor<double>>& b) {
  REQUIRE(a.size() == b.size());
  double worst = 0.0;
  for (std::size_t k = 0; k < a.size(); ++k) {
    REQUIRE(a[k].shape() == b[k].shape());
    double largest = 1.0;
    for (const double g : a[k]) largest = std::max(largest, std::abs(g));
    for (std::size_t i = 0; i < a[k].size(); ++i)
      worst = std::max(worst, std::abs(a[k].data()[i] - b[k].data()[i]) / largest);
  }
  return worst;
}

}  // namespace

TEST_CASE("an LSTM too large to keep tanh(c) has the tape's gradients") {
  Rng rng(1);
  Lstm<double> layer({.input = 3, .hidden = 130}, rng);
  const auto x = random_normal<double>({65, 33, 3}, 0.0, 1.0, rng);  // 65 * 33 * 130 > 2^18
  const auto h0 = random_normal<double>({33, 130}, 0.0, 1.0, rng);
  CHECK(worst_difference(gradients_by(Path::fused, layer, x, h0), gradients_by(Path::tape, layer, x, h0)) <
        1e-12);
}

TEST_CASE(
    "an LSTM has the tape's gradients from states of zeros and from others, over one step and several") {
  Rng rng(2);
  for (const std::size_t steps : {std::size_t{1}, std::size_t{4}}) {
    for (const double scale : {0.0, 1.0}) {
      for (const std::size_t batch : {std::size_t{1}, std::size_t{2}}) {
        Lstm<double> layer({.input = 3, .hidden = 5}, rng);
        const auto x = random_normal<double>({steps, batch, 3}, 0.0, 1.0, rng);
        const auto h0 = random_normal<double>({batch, 5}, 0.0, scale, rng);
        INFO(steps << " steps, batch " << batch << ", states of size " << scale);
        CHECK(worst_difference(gradients_by(Path::fused, layer, x, h0),
                               gradients_by(Path::tape, layer, x, h0)) < 1e-13);
      }
    }
  }
}

TEST_CASE(
    "an LSTM for one sequence has the tape's gradients, whatever part of a register its row fills and where "
    "it ends") {
  Rng rng(4);
  for (const Index hidden : {1, 2, 3, 4, 8, 16, 20, 32, 40}) {
    for (const std::vector<Index>& lengths :
         {std::vector<Index>{}, std::vector<Index>{5}, std::vector<Index>{3}, std::vector<Index>{0}}) {
      Lstm<double> layer({.input = 3, .hidden = hidden}, rng);
      const auto x = random_normal<double>({5, 1, 3}, 0.0, 1.0, rng);
      const auto h0 = random_normal<double>({1, static_cast<std::size_t>(hidden)}, 0.0, 1.0, rng);
      INFO("hidden " << hidden << ", " << (lengths.empty() ? 5 : lengths[0]) << " of 5 steps");
      CHECK(worst_difference(gradients_by(Path::fused, layer, x, h0, lengths),
                             gradients_by(Path::tape, layer, x, h0, lengths)) < 1e-12);
    }
  }
}
