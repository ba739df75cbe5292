// Checkpoints: a layer that runs its segments again gives what it gives when it keeps everything.
#include <catch2/catch.hpp>

#include "framework/allocation_log.hpp"
#include "framework/errors.hpp"
#include "layers/kernels/fused.hpp"
#include "layers/layers.hpp"
#include "minimal_gated_unit.hpp"
#include "noisy_cell.hpp"

using namespace unroll;

namespace {

constexpr std::size_t kSteps = 7, kBatch = 3, kInput = 2, kHidden = 5;

double largest(const Tensor<double>& tensor) {
  double most = 0.0;
  for (const double v : tensor) most = std::max(most, std::abs(v));
  return most;
}

void check_equal(const std::vector<Tensor<double>>& got, const std::vector<Tensor<double>>& want) {
  REQUIRE(got.size() == want.size());
  for (std::size_t k = 0; k < want.size(); ++k) {
    INFO("tensor " << k << " of " << want.size());
    REQUIRE(got[k].shape() == want[k].shape());
    const double scale = largest(want[k]);
    double worst = 0.0;
    for (std::size_t i = 0; i < want[k].size(); ++i)
      worst = std::max(worst, std::abs(got[k].data()[i] - want[k].data()[i]));
    CHECK(worst <= 1e-12 * scale);
  }
}

struct Call {
  std::vector<Index> lengths = {};
  bool given_states = true;
  bool all_states = false;
  bool training = true;
  std::size_t batch = kBatch;
};

// Outputs, then gradients of x, given states and parameters for random upstream gradients, of two calls one
// after the other: the second one draws what comes after the first one's random numbers.
template <class Cell>
std::vector<Tensor<double>> two_calls(typename Recurrent<Cell>::CellOptions sizes, RecurrentOptions options,
                                      const Call& call) {
  Rng rng(5);
  sizes.input = kInput;
  sizes.hidden = kHidden;
  Recurrent<Cell> layer(sizes, std::move(options), rng);
  layer.training = call.training;
  const auto random = [&](const Shape& shape) { return random_normal<double>(shape, 0.0, 1.0, rng); };
  std::vector<Tensor<double>> result;
  for (int k = 0; k < 2; ++k) {
    Tape tape;
    const Shape shape{layer.options().batch_first ? call.batch : kSteps,
                      layer.options().batch_first ? kSteps : call.batch, kInput};
    std::vector<Var<double>> inputs{parameter(random(shape))};
    States<state_t<Cell>> states;
    for (const Cell& cell : layer.cells()) {
      if (!call.given_states) break;
      states.push_back(map_state(zero_state(cell, call.batch), [&](const Var<double>& zero) {
        inputs.push_back(parameter(random(zero.shape())));
        return inputs.back();
      }));
    }
    const auto learned = parameters(layer);
    inputs.insert(inputs.end(), learned.begin(), learned.end());
    const RecurrentInputs<state_t<Cell>> given{.states = states, .lengths = call.lengths};
    std::vector<Var<double>> outputs;
    const auto add = [&](const auto& list) {
      for (const auto& state : list)
        for_each_in_state(state, [&](const auto& var) { outputs.push_back(var); });
    };
    if (call.all_states) {
      const auto trace = layer.with_all_states(inputs[0] * 1.0, given);
      outputs.push_back(trace.output);
      add(trace.states);
      add(trace.all_states);
    } else {
      const auto plain = layer(inputs[0] * 1.0, given);
      outputs.push_back(plain.output);
      add(plain.states);
    }
    std::vector<Var<double>> upstream;
    for (const auto& output : outputs) {
      result.push_back(output.value());
      upstream.emplace_back(random(output.shape()));
    }
    for (const auto& g : gradients(outputs, inputs, upstream)) result.push_back(g.value());
  }
  return result;
}

template <class Cell>
void compare(const typename Recurrent<Cell>::CellOptions& cell, const RecurrentOptions& options,
             const Call& call) {
  const auto want = two_calls<Cell>(cell, options, call);
  for (const Index every : {1, 2, 3, 9}) {
    INFO("every " << every);
    RecurrentOptions with = options;
    with.checkpoint_every = every;
    check_equal(two_calls<Cell>(cell, with, call), want);
  }
  RecurrentOptions with = options;
  with.checkpoint_bytes = 3000;  // a few steps
  check_equal(two_calls<Cell>(cell, with, call), want);
}

template <class Cell>
void compare_all(const typename Recurrent<Cell>::CellOptions& cell) {
  const double zoneout_cell = detail::has_inner_state<state_t<Cell>>() ? 0.3 : 0.0;
  compare<Cell>(cell, {.layers = 2, .bidirectional = true}, {.lengths = {3, 7, 0}});
  compare<Cell>(cell, {.layers = 2, .bidirectional = true}, {.lengths = {4, 2, 3}, .all_states = true});
  compare<Cell>(cell, {.bidirectional = true}, {.all_states = true});
  compare<Cell>(cell, {.bidirectional = true, .learn_initial_states = true, .path = Path::tape},
                {.lengths = {6, 5, 1}, .given_states = false});
  compare<Cell>(
      cell,
      {.layers = 2, .bidirectional = true, .batch_first = true, .dropout = 0.3, .recurrent_dropout = 0.4},
      {});
  const RecurrentOptions zoneout{
      .layers = 2, .bidirectional = true, .zoneout_hidden = 0.2, .zoneout_cell = zoneout_cell};
  compare<Cell>(cell, zoneout, {.lengths = {3, 7, 0}});
  compare<Cell>(cell, zoneout, {.training = false});
  for (const Index length : {7, 4, 1, 0}) {
    compare<Cell>(cell, {.bidirectional = true}, {.lengths = {length}, .all_states = true, .batch = 1});
  }
  compare<Cell>(cell, {.layers = 2}, {.lengths = {0, 0}, .batch = 2});
}

// Gradients of every parameter of the scalar that f makes of the layer's output.
template <class Layer, class F>
std::vector<Tensor<double>> gradients_of(const Layer& layer, const Tensor<double>& x, F&& f) {
  std::vector<Tensor<double>> result;
  const auto list = parameters(layer);
  Tape tape;
  for (const auto& g : f(layer(Var<double>(x)), list)) result.push_back(g.value());
  return result;
}

}  // namespace

TEST_CASE("an RNN with checkpoints gives the same values and gradients") {
  compare_all<RnnCell<double>>({});
  compare_all<RnnCell<double>>({.activation = Activation::gelu()});
}

TEST_CASE("an LSTM with checkpoints gives the same values and gradients") {
  compare_all<LstmCell<double>>({});
  compare_all<LstmCell<double>>({.projection = 3});
  compare_all<LstmCell<double>>({.bias = Bias::none, .peepholes = true, .layer_norm = true});
}

TEST_CASE("a GRU with checkpoints gives the same values and gradients") {
  compare_all<GruCell<double>>({});
  compare_all<GruCell<double>>({.bias = Bias::single, .reset = GruReset::before});
}

TEST_CASE("a user's cell with checkpoints gives the same values and gradients, its own dropout included") {
  compare_all<test::MinimalGatedUnit<double>>({});
  compare_all<test::NoisyCell<double>>({});
}

TEST_CASE("a layer with checkpoints has the second derivatives of one without") {
  const auto check = [](auto make) {
    Rng data(6);
    const Tensor<double> x = random_normal<double>({kSteps, kBatch, kInput}, 0.0, 1.0, data);
    const Tensor<double> direction = random_normal<double>({kSteps, kBatch, kHidden}, 0.0, 1.0, data);
    const auto hessian = [&](const auto& result, const auto& list) {
      const std::vector<Var<double>> loss{sum(square(result.output) * Var<double>(direction))};
      const auto first = gradients(loss, list, {}, true);
      Var<double> dot = sum(square(first[0]));
      for (std::size_t i = 1; i < first.size(); ++i) dot = dot + sum(square(first[i]));
      return gradients(std::vector<Var<double>>{dot}, list);
    };
    const auto want = gradients_of(make(RecurrentOptions{}), x, hessian);
    REQUIRE(largest(want[0]) > 0.1);
    check_equal(gradients_of(make(RecurrentOptions{.checkpoint_every = 3}), x, hessian), want);
  };
  check([](RecurrentOptions options) {
    Rng rng(7);
    return Lstm<double>({.input = kInput, .hidden = kHidden}, options, rng);
  });
  check([](RecurrentOptions options) {
    Rng rng(7);
    options.zoneout_hidden = 0.3;
    options.recurrent_dropout = 0.2;
    return Gru<double>({.input = kInput, .hidden = kHidden}, options, rng);
  });
  check([](const RecurrentOptions& options) {
    Rng rng(7);
    return Recurrent<test::NoisyCell<double>>({.input = kInput, .hidden = kHidden}, options, rng);
  });
}

TEST_CASE("a hook sees a weight's gradient once, whole") {
  Rng rng(8);
  const Tensor<double> x = random_normal<double>({kSteps, kBatch, kInput}, 0.0, 1.0, rng);
  Recurrent<test::MinimalGatedUnit<double>> layer({.input = kInput, .hidden = kHidden},
                                                  {.checkpoint_every = 2}, rng);
  Var<double> weight = layer.cells()[0].forget.weight;
  std::vector<Tensor<double>> seen;
  weight.register_hook([&](const Var<double>& g) {
    seen.push_back(g.value());
    return Var<double>();
  });
  Tape tape;
  tape.backward(sum(square(layer(Var<double>(x)).output)));
  REQUIRE(seen.size() == 1);
  CHECK((seen[0] == weight.grad()));
}

TEST_CASE("between forward and backward a layer with checkpoints holds its output and few states") {
  constexpr std::size_t T = 256, B = 4, H = 32;
  const auto held = [](auto&& layer) {
    Rng rng(9);
    const Var<double> x(random_normal<double>({T, B, kInput}, 0.0, 1.0, rng));
    const detail::AllocationLog log;
    Tape tape;
    const auto result = layer(x);
    return log.bytes();
  };
  constexpr std::size_t output = T * B * H * sizeof(double), kernel = 7 * output;
  Rng rng(9);
  const LstmOptions sizes{.input = kInput, .hidden = H};
  CHECK(held(Lstm<double>(sizes, rng)) > kernel);
  CHECK(held(Lstm<double>(sizes, {.path = Path::tape}, rng)) > kernel);
  for (const Path path : {Path::fused, Path::tape}) {
    CHECK(held(Lstm<double>(sizes, {.checkpoint_every = 16, .path = path}, rng)) < 2 * output);
    // A budget above what the layer keeps anyway buys the plain run.
    CHECK(held(Lstm<double>(sizes, {.checkpoint_bytes = 5 * kernel, .path = path}, rng)) > kernel);
    CHECK(held(Lstm<double>(sizes, {.checkpoint_bytes = kernel / 4, .path = path}, rng)) < 2 * output);
  }
}

TEST_CASE("the bytes per step that a budget is divided by are those of a long run") {
  constexpr std::size_t T = 64, B = 4, H = 32;
  Rng rng(10);
  const Var<double> x(random_normal<double>({T, B, kInput}, 0.0, 1.0, rng));
  const Lstm<double> lstm({.input = kInput, .hidden = H}, rng);
  for (const bool fused : {true, false}) {
    for (const bool reverse : {true, false}) {
      const auto steps = bptt::BatchLayout::dense(T, B, reverse);
      const detail::StepMode mode{.fused = fused};
      const detail::CellOf<LstmCell<double>, true> cell(lstm.cells()[0], zero_state(lstm.cells()[0], B));
      const VarList<double> state = detail::vars_of(zero_state(lstm.cells()[0], B));
      const detail::RecomputedRun<double> run(cell, x, state, steps, mode);
      const auto per_step = static_cast<double>(run.try_steps(4, 8).bytes_per_step);
      const detail::AllocationLog log;
      Tape tape;
      const auto all = detail::run_steps(cell, x, state, steps, mode);
      CHECK(per_step == Approx(static_cast<double>(log.bytes()) / T).epsilon(0.25));
    }
  }
}

TEST_CASE("a layer says what it wants of checkpoints, and which it has") {
  using Catch::Equals;
  Rng rng(12);
  const auto make = [&](RecurrentOptions options) {
    return Gru<float>({.input = 2, .hidden = 3}, std::move(options), rng);
  };
  CHECK_THROWS_AS(make({.checkpoint_every = -1}), ArgumentError);
  CHECK_THROWS_WITH(make({.checkpoint_every = -1}),
                    Equals("[Gru] checkpoint_every: expected >= 0 (0: off), got -1"));
  CHECK_THROWS_WITH(make({.checkpoint_bytes = -5}),
                    Equals("[Gru] checkpoint_bytes: expected >= 0 (0: off), got -5"));
  CHECK_THROWS_WITH(
      make({.checkpoint_every = 3, .checkpoint_bytes = 1000}),
      Equals("[Gru] checkpoint_every and checkpoint_bytes: expected one of the two, got 3 and 1000"));
  CHECK_THAT(make({.checkpoint_every = 3}).extra_repr(), Catch::Contains("checkpoints every 3 steps"));
}
