// Seed 000: a scalar RNN that learns 1 2 3 -> 2 3 4.
//
// The notebook is unseeded, but its four printed losses determine the three random numbers that it began
// with.
//
// Wrong there: the updates stand inside the loop over the time steps, and the gradient leaves out the mean's
// 1/T. The published losses are those of that training; the right one has its own curve, below.
#include <catch2/catch.hpp>

#include "layers/losses.hpp"
#include "optim/sgd.hpp"
#include "seeds/literal.hpp"
#include "seeds/near.hpp"
#include "seeds/seed_layers.hpp"

using namespace unroll;
using namespace unroll::seeds;

namespace {

constexpr ScalarRnn kStart{
    .wx = -0.01061268372515352, .wh = 0.0013817931966895287, .wy = 0.18165846686560236};
constexpr double kLr = 1e-2;
constexpr std::size_t kEpochs = 200;

// The right training: one step of gradient descent on 0.5 mean (y - target)^2 after the whole sequence.
std::vector<double> train(Path path) {
  Rng rng(0);
  Rnn<double> rnn({.input = 1, .hidden = 1}, {.path = path}, rng);
  RnnCell<double>& cell = rnn.cells()[0];
  cell.weight_ih = parameter(full<double>({1, 1}, kStart.wx));
  cell.weight_hh = parameter(full<double>({1, 1}, kStart.wh));
  cell.bias_ih = parameter(zeros<double>({1}));
  cell.bias_hh = {};
  const auto wy = parameter(full<double>({1, 1}, kStart.wy)), by = parameter(zeros<double>({1}));

  const Var<double> x(from_values<double>({3, 1, 1}, {1, 2, 3}));
  const Var<double> target(from_values<double>({3, 1, 1}, {2, 3, 4}));
  Sgd<double> sgd({cell.weight_ih, cell.weight_hh, cell.bias_ih, wy, by}, {.lr = kLr});
  std::vector<double> losses;
  for (std::size_t epoch = 0; epoch < kEpochs; ++epoch) {
    Tape tape;
    const Var<double> loss = 0.5 * mse_loss(linear(rnn(x).output, wy, by), target);
    losses.push_back(loss.item());
    tape.backward(loss);
    sgd.step();
  }
  return losses;
}

}  // namespace

TEST_CASE("seed 000's scalar RNN, updated inside the time loop as there, prints the published losses") {
  ScalarRnn p = kStart;
  const std::vector<double> losses = seed000_train(p, {1, 2, 3, 4}, 0.0, kLr, kEpochs);
  CHECK(relative_error(losses[0], 4.846201105237669) < 1e-13);
  CHECK(relative_error(losses[50], 0.15056756471476979) < 1e-13);
  CHECK(relative_error(losses[100], 0.0373963411731432) < 1e-13);
  CHECK(relative_error(losses[150], 0.005252438842250678) < 1e-13);
}

TEST_CASE("seed 000's scalar RNN, trained with the gradient of its loss, has a curve of its own") {
  for (const Path path : {Path::tape, Path::fused}) {
    const std::vector<double> losses = train(path);
    // The first loss is published too, since nothing has been updated yet; the rest was found by another
    // program.
    CHECK(relative_error(losses[0], 4.846201105237669) < 1e-13);
    CHECK(relative_error(losses[50], 1.188432788030912) < 1e-11);
    CHECK(relative_error(losses[100], 0.37356161032420565) < 1e-11);
    CHECK(relative_error(losses[150], 0.24262113359933024) < 1e-11);
    CHECK(std::is_sorted(losses.rbegin(), losses.rend()));
  }
}
