// Checkpoints that a layer chooses itself, and cells that a second run does not suit.
#include <catch2/catch.hpp>

#include <functional>
#include <random>

#include "framework/errors.hpp"
#include "layers/layers.hpp"

using namespace unroll;

namespace {

constexpr std::size_t kSteps = 1500, kBatch = 3, kInput = 2, kHidden = 130;

// A cell with a weight per unit, and what a test makes of its input.
struct DiagonalCell : MoveOnly {
  static constexpr const char* kName = "DiagonalCell";
  using Scalar = double;
  CellSizes options;
  Var<double> input, forget, mix;
  Dropout<double> noise;
  std::function<Var<double>(const Var<double>&)> extra;

  DiagonalCell() = default;
  DiagonalCell(CellSizes sizes, Rng& rng) : options(sizes), noise(0.3, rng) {
    const auto size = [](Index n) { return static_cast<std::size_t>(n); };
    const auto random = [&](const Shape& shape) { return random_normal<double>(shape, 0.0, 0.5, rng); };
    input = parameter(random({size(sizes.input), size(sizes.hidden)}), "input");
    forget = parameter(random({1, size(sizes.hidden)}), "forget");
    mix = parameter(random({1, size(sizes.hidden)}), "mix");
  }
  Var<double> step(const Var<double>& x, const Var<double>& h) const {
    const Var<double> driven = matmul(x, input), f = sigmoid(h * forget + driven);
    Var<double> n = tanh(noise(h) * mix + driven * driven);
    if (extra) n = n * extra(n);
    return f * h + (1.0 - f) * n;
  }
  static void each(auto& self, auto&& visit) {
    visit("options", self.options);
    visit("input", self.input);
    visit("forget", self.forget);
    visit("mix", self.mix);
    visit("noise", self.noise);
    visit("extra", self.extra);
  }
};

using Layer = Recurrent<DiagonalCell>;

struct Run {
  std::vector<Tensor<double>> numbers;  // outputs, then gradients of x, states, parameters and `also`
  std::size_t nodes = 0;                // on the tape after the forward pass
};

// Two calls, the second one with the random numbers after the first one's.
Run run(RecurrentOptions options, std::size_t steps, std::vector<Index> lengths = {}) {
  Rng rng(3);
  Layer layer({.input = kInput, .hidden = kHidden}, std::move(options), rng);
  Run result;
  for (int call = 0; call < 2; ++call) {
    Tape tape;
    std::vector<Var<double>> inputs{parameter(random_normal<double>({steps, kBatch, kInput}, 0.0, 1.0, rng))};
    States<Var<double>> states;
    for (std::size_t k = 0; k < layer.cells().size(); ++k) {
      states.push_back(parameter(random_normal<double>({kBatch, kHidden}, 0.0, 1.0, rng)));
      inputs.push_back(states.back());
    }
    for (const auto& p : parameters(layer)) inputs.push_back(p);
    const auto y = layer(inputs[0], {.states = states, .lengths = lengths});
    result.nodes = tape.size();
    std::vector<Var<double>> outputs{y.output}, upstream;
    outputs.insert(outputs.end(), y.states.begin(), y.states.end());
    for (const auto& v : outputs) {
      result.numbers.push_back(v.value());
      upstream.emplace_back(random_normal<double>(v.shape(), 0.0, 1.0, rng));
    }
    for (const auto& g : gradients(outputs, inputs, upstream)) result.numbers.push_back(g.value());
  }
  return result;
}

double furthest(const Run& a, const Run& b) {
  REQUIRE(a.numbers.size() == b.numbers.size());
  double worst = 0.0;
  for (std::size_t k = 0; k < a.numbers.size(); ++k) {
    REQUIRE(a.numbers[k].shape() == b.numbers[k].shape());
    double scale = 0.0, off = 0.0;
    for (std::size_t i = 0; i < a.numbers[k].size(); ++i) {
      scale = std::max(scale, std::abs(a.numbers[k].data()[i]));
      off = std::max(off, std::abs(a.numbers[k].data()[i] - b.numbers[k].data()[i]));
    }
    worst = std::max(worst, off / scale);
  }
  return worst;
}

// The loss of one call of a layer whose cell multiplies by extra().
Var<double> loss_with(Layer& layer, std::function<Var<double>(const Var<double>&)> extra,
                      std::size_t steps = kSteps) {
  Rng rng(4);
  for (DiagonalCell& cell : layer.cells()) cell.extra = extra;
  return mean(
      square(layer(Var<double>(random_normal<double>({steps, kBatch, kInput}, 0.0, 1.0, rng))).output));
}

Layer make(RecurrentOptions options) {
  Rng rng(5);
  return Layer({.input = kInput, .hidden = kHidden}, std::move(options), rng);
}

}  // namespace

TEST_CASE("a long sequence of a cell with few weights is kept in part, with the same gradients") {
  const auto check = [](RecurrentOptions options, const std::vector<Index>& lengths) {
    options.checkpoint_automatically = false;
    const Run whole = run(options, kSteps, lengths);
    options.checkpoint_automatically = true;
    const Run chosen = run(options, kSteps, lengths);
    CHECK(whole.nodes > 8 * kSteps);
    CHECK(chosen.nodes < 100);
    CHECK(furthest(chosen, whole) < 1e-12);
  };
  check({}, {});
  check({}, {1450, 1440, 1500});
  check({.bidirectional = true}, {1450, 1500, 1});
  check({.recurrent_dropout = 0.2, .zoneout_hidden = 0.1}, {});
}

TEST_CASE("a sequence that the caches hold, or a cell with many weights, is kept whole") {
  CHECK(run({}, 60).nodes > 8 * 60);
  Rng rng(6);
  const Gru<double> gru({.input = kInput, .hidden = 40}, {.path = Path::tape}, rng);
  const Var<double> x(random_normal<double>({kSteps, 4, kInput}, 0.0, 1.0, rng));
  Tape tape;
  const auto y = gru(x);
  CHECK(tape.size() > 8 * kSteps);
}

TEST_CASE("the summary says whether a layer may choose checkpoints") {
  CHECK_THAT(make({}).extra_repr(), Catch::Contains(", checkpoints if long, path tape"));
  CHECK_THAT(make({.checkpoint_automatically = false}).extra_repr(), !Catch::Contains("checkpoints"));
  CHECK_THAT(make({.checkpoint_every = 9}).extra_repr(),
             Catch::Contains(", checkpoints every 9 steps, path"));
}

TEST_CASE("a value from outside the cell gets its gradient, or checkpoints are refused") {
  const auto scale = parameter(Tensor<double>({1, kHidden}, 0.9), "scale");
  const auto by_scale = [&](const Var<double>&) { return scale; };
  const auto by_result = [&](const Var<double>& made) {
    return [made](const Var<double>&) { return 1.0 * made; };  // on constants alone: no op of it is recorded
  };
  const auto gradient = [&](const RecurrentOptions& options, bool result) {
    Layer layer = make(options);
    Tape tape;
    const Var<double> made = scale * 1.0;
    const auto loss = result ? loss_with(layer, by_result(made)) : loss_with(layer, by_scale);
    return gradients(std::vector<Var<double>>{loss}, {scale})[0].value();
  };
  for (const bool result : {false, true}) {
    const Tensor<double> want = gradient({.checkpoint_automatically = false}, result);
    CHECK(std::abs(want.data()[0]) > 1e-9);
    CHECK((gradient({}, result) == want));
  }
  CHECK_THROWS_WITH(
      gradient({.checkpoint_every = 5}, false),
      Catch::Equals("[DiagonalCell.forward] checkpoints: expected a cell that computes with x, "
                    "its state and its members, got one that uses a parameter 'scale' of shape "
                    "(1,130), whose gradient would be lost (visit it in each(), make it part of x "
                    "or the state, or set neither checkpoint_every nor checkpoint_bytes)"));
  CHECK_THROWS_WITH(gradient({.checkpoint_bytes = 10000}, true),
                    Catch::Contains("uses a result of an outer tape, whose gradient"));
  // Without a gradient to lose there is nothing to refuse.
  const Var<double> constant(Tensor<double>({1, kHidden}, 0.9));
  Layer every = make({.checkpoint_every = 5});
  Tape tape;
  tape.backward(loss_with(
      every, [&](const Var<double>&) { return constant; }, 12));
  CHECK(every.cells()[0].forget.has_grad());
}

TEST_CASE("a value from outside that a cell uses late is found in the backward pass") {
  const auto scale = parameter(Tensor<double>({1, kHidden}, 0.9), "scale");
  for (const RecurrentOptions& options : {RecurrentOptions{}, RecurrentOptions{.checkpoint_every = 50}}) {
    Layer layer = make(options);
    int count = 0;
    Tape tape;
    const auto loss = loss_with(layer, [&](const Var<double>& n) {
      return ++count > 40 ? scale : Var<double>(ones<double>(n.shape()));
    });
    CHECK_THROWS_WITH(tape.backward(loss), Catch::Contains("parameter 'scale'"));
  }
}

TEST_CASE("a cell that gives another output in the second run is kept whole, or refused") {
  std::mt19937 own(1);
  const auto noise = [&](const Var<double>&) {
    return Var<double>(Tensor<double>({1, kHidden}, 1.0 + 1e-3 * static_cast<double>(own() % 100)));
  };
  {
    Layer chosen = make({});
    Tape tape;
    const auto loss = loss_with(chosen, noise);
    CHECK(tape.size() > 8 * kSteps);  // the first steps showed it: kept whole
    tape.backward(loss);
  }
  Layer every = make({.checkpoint_every = 50});
  const Tape tape;
  CHECK_THROWS_WITH(loss_with(every, noise),
                    Catch::Contains("[DiagonalCell.forward] checkpoints: expected steps that give the same "
                                    "output when they run again, got another one"));
}

TEST_CASE("a step that throws while a layer tries it leaves the random numbers of the cell alone") {
  Layer layer = make({});
  const auto draw = [&] {
    Tape tape;
    return loss_with(layer, {}, 30).item();
  };
  const double want = [&] {
    Layer same = make({});
    Tape tape;
    return loss_with(same, {}, 30).item();
  }();
  {
    Tape tape;
    int count = 0;
    CHECK_THROWS_AS(loss_with(layer,
                              [&](const Var<double>& n) -> Var<double> {
                                if (++count == 3) throw ArgumentError("stop");
                                return n;
                              }),
                    ArgumentError);
  }
  CHECK(draw() == want);
}
