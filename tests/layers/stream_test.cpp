// A frozen layer step by step against the layer's sequence forward, and what freeze() refuses.
#include "layers/stream.hpp"

#include <catch2/catch.hpp>
#include <limits>

#include "framework/errors.hpp"
#include "layers/layers.hpp"
#include "tests/layers/minimal_gated_unit.hpp"

#if defined(__SSE2__)
#include <immintrin.h>
#endif

using namespace unroll;
using Catch::Equals;

namespace {

constexpr std::size_t kSteps = 60;

template <class S>
constexpr double kTolerance = std::is_same_v<S, double> ? 1e-12 : 2e-6;

template <class S>
Tensor<S> normal(const Shape& shape, Rng& rng) {
  return random_normal<S>(shape, 0.0, 1.0, rng);
}

// Initial states of a layer that are not zero.
template <class Layer>
auto random_states(const Layer& layer, std::size_t batch, Rng& rng) {
  using S = typename Layer::Scalar;
  States<typename Layer::State> states;
  for (const auto& cell : layer.cells()) {
    states.push_back(map_state(zero_state(cell, batch),
                               [&](const Var<S>& v) { return Var<S>(normal<S>(v.shape(), rng)); }));
  }
  return states;
}

// relative: of an element above 1 in parts of it.
template <class S>
double distance(const S* a, const S* b, std::size_t count, bool relative = false) {
  double largest = 0.0;
  for (std::size_t k = 0; k < count; ++k) {
    const double scale = relative ? std::max(1.0, std::abs(static_cast<double>(b[k]))) : 1.0;
    const double error = std::abs(static_cast<double>(a[k]) - static_cast<double>(b[k])) / scale;
    if (!(error <= largest)) largest = error;  // also NaN
  }
  return largest;
}

// The largest difference of the outputs y (T,B,..) of x (T,B,I), step by step.
template <class S>
double distance(Stream<S>& stream, const Tensor<S>& x, const Tensor<S>& y, bool relative = false) {
  const std::size_t in = x.shape()[1] * x.shape()[2], out = y.shape()[1] * y.shape()[2];
  double largest = 0.0;
  for (std::size_t t = 0; t < x.shape()[0]; ++t) {
    const auto now = stream.step({x.data() + t * in, in});
    REQUIRE(now.size() == out);
    largest = std::max(largest, distance(now.data(), y.data() + t * out, out, relative));
  }
  return largest;
}

template <class State>
double distance(const States<State>& a, const States<State>& b, bool relative = false) {
  REQUIRE(a.size() == b.size());
  double largest = 0.0;
  for (std::size_t k = 0; k < a.size(); ++k) {
    map_states(a[k], b[k], [&](const auto& u, const auto& v) {
      REQUIRE(u.shape() == v.shape());
      largest = std::max(largest, distance(u.data(), v.data(), u.size(), relative));
      return u;
    });
  }
  return largest;
}

// Outputs and final states equal those of the sequence forward, from random states, for one sequence and for
// three. unbounded: states exceed 1, and the bound is relative there (an RNN with relu reaches 12, where the
// bound of float would be two units of the last place).
template <class Layer>
void check(const Layer& layer, bool unbounded = false) {
  using S = typename Layer::Scalar;
  Rng rng(5);
  for (const std::size_t batch : {1U, 3U}) {
    const Tensor<S> x = normal<S>({kSteps, batch, layer.input_size()}, rng);
    const auto states = random_states(layer, batch, rng);
    const auto want = layer(Var<S>(x), {.states = states, .lengths = {}});
    auto stream = freeze(layer, {.batch = static_cast<Index>(batch)});
    stream.set_states(states);
    INFO(layer.extra_repr() << ", B " << batch);
    CHECK(distance(stream, x, want.output.value(), unbounded) < kTolerance<S>);
    CHECK(distance(stream.template states<typename Layer::State>(), want.states, unbounded) < kTolerance<S>);
  }
}

template <class S>
void check_all() {
  Rng rng(3);
  for (const Index H : {1, 5, 17, 64}) {
    for (const Bias bias : {Bias::none, Bias::single, Bias::both}) {
      for (const Activation& f : {Activation::tanh(), Activation::relu()}) {
        check(Rnn<S>({.input = 3, .hidden = H, .bias = bias, .activation = f}, rng),
              std::is_same_v<S, float> && f == Activation::relu());
      }
      check(Lstm<S>({.input = 2, .hidden = H, .bias = bias}, rng));
      check(Mgu<S>({.input = 2, .hidden = H, .bias = bias}, rng));
      if (H > 1) check(Lstm<S>({.input = 16, .hidden = H, .projection = (H + 2) / 3, .bias = bias}, rng));
      for (const GruReset reset : {GruReset::after, GruReset::before}) {
        for (const GruUpdate update : {GruUpdate::z_keeps, GruUpdate::z_updates}) {
          check(Gru<S>({.input = 3, .hidden = H, .bias = bias, .reset = reset, .update = update}, rng));
        }
      }
    }
  }
  for (const RecurrentOptions& smallest : {RecurrentOptions{}, RecurrentOptions{.widths = {1, 2, 1}}}) {
    check(Rnn<S>({.input = 1, .hidden = 1}, smallest, rng));
    check(Lstm<S>({.input = 1, .hidden = 1}, smallest, rng));
    check(Gru<S>({.input = 1, .hidden = 1}, smallest, rng));
    check(Gru<S>({.input = 1, .hidden = 1, .reset = GruReset::before}, smallest, rng));
  }
  const RecurrentOptions stacked{.widths = {9, 40, 6}};
  check(Rnn<S>({.input = 3}, stacked, rng));
  check(Lstm<S>({.input = 3}, stacked, rng));
  check(Lstm<S>({.input = 3, .projection = 5}, stacked, rng));
  check(Gru<S>({.input = 3}, stacked, rng));
  check(Gru<S>({.input = 3, .hidden = 10, .reset = GruReset::before}, {.layers = 2}, rng));
}

}  // namespace

TEST_CASE("a stream gives what the sequence forward gives, with every covered cell, in double") {
  check_all<double>();
}

TEST_CASE("a stream gives what the sequence forward gives, with every covered cell, in float") {
  check_all<float>();
}

TEST_CASE("a stream's head is the linear layer on every output") {
  Rng rng(4);
  const Tensor<double> x = normal<double>({kSteps, 3, 2}, rng);
  const Gru<double> gru({.input = 2, .hidden = 11}, {.layers = 2}, rng);
  for (const Index outputs : {1, 9}) {
    for (const bool bias : {false, true}) {
      const Linear<double> head(11, outputs, rng, {.bias = bias});
      Stream<double> stream = freeze(gru, head, {.batch = 3});
      CHECK(stream.output_size() == static_cast<std::size_t>(outputs));
      CHECK(distance(stream, x, head(gru(Var<double>(x)).output).value()) < 1e-12);
    }
  }
}

TEST_CASE("a stream begins and begins again from the learned initial states") {
  Rng rng(6);
  Lstm<double> lstm({.input = 2, .hidden = 7, .projection = 3}, {.layers = 2, .learn_initial_states = true},
                    rng);
  for_each_parameter(lstm, [&](const std::string& name, Var<double>& var) {
    if (name[1] == '0') var.mutable_value() = normal<double>(var.shape(), rng);
  });
  const Tensor<double> x = normal<double>({kSteps, 3, 2}, rng);
  const auto want = lstm(Var<double>(x));
  Stream<double> stream = freeze(lstm, {.batch = 3});
  CHECK(distance(stream, x, want.output.value()) < 1e-12);
  stream.reset();
  CHECK(distance(stream, x, want.output.value()) < 1e-12);
}

TEST_CASE("a stream goes on where a sequence ended, and hands its states back") {
  Rng rng(7);
  const Lstm<double> lstm({.input = 2, .hidden = 9}, {.layers = 2}, rng);
  const Tensor<double> x = normal<double>({kSteps, 3, 2}, rng);
  const Var<double> whole(x);
  const auto want = lstm(whole);
  const auto past = lstm(slice(whole, 0, {0, 20}));
  Stream<double> stream = freeze(lstm, {.batch = 3});
  stream.set_states(past.states);
  CHECK(distance(stream.states<LstmState<double>>(), past.states) == 0.0);
  const Tensor<double> middle = slice(whole, 0, {20, 40}).value(), rest = slice(whole, 0, {40, 60}).value();
  CHECK(distance(stream, middle, slice(want.output, 0, {20, 40}).value()) < 1e-12);
  const auto now = lstm(Var<double>(rest), {.states = stream.states<LstmState<double>>(), .lengths = {}});
  CHECK(distance(now.output.data(), slice(want.output, 0, {40, 60}).value().data(), now.output.size()) <
        1e-12);
}

TEST_CASE("a stream is independent of its layer, of the layer's dropout and of its clones") {
  Rng rng(8);
  Gru<float> gru({.input = 4, .hidden = 4}, {.layers = 2, .dropout = 0.5, .recurrent_dropout = 0.5}, rng);
  REQUIRE(gru.training);
  Stream<float> stream = freeze(gru);
  gru.training = false;
  const Tensor<float> x = normal<float>({kSteps, 1, 4}, rng);
  const Tensor<float> want = gru(Var<float>(x)).output.value();
  for_each_parameter(gru, [](const std::string&, Var<float>& var) { var.mutable_value().fill(9.0F); });
  stream.step({x.data(), 4});
  Stream<float> second = stream.clone();  // in the middle, so that its first step is the second one
  const auto ahead = second.step({x.data() + 4, 4});
  CHECK(distance(ahead.data(), want.data() + 4, 4) < 2e-6);
  stream.reset();
  CHECK(distance(stream, x, want) < 2e-6);
  Stream<float> moved = std::move(stream);
  moved.reset();
  CHECK(distance(moved, x, want) < 2e-6);
  second.reset();
  CHECK(distance(second, x, want) < 2e-6);
  CHECK(stream.step({x.data(), 4}).empty());  // NOLINT: a stream that was moved from is an empty one
}

TEST_CASE("a stream's output may be its next input") {
  Rng rng(9);
  const Gru<double> one({.input = 20, .hidden = 20}, rng),
      two({.input = 20, .hidden = 20}, {.layers = 2}, rng);
  const Linear<double> head(20, 20, rng);
  const auto loop = [&](Stream<double> stream) {
    Stream<double> apart = stream.clone();
    const Tensor<double> x = normal<double>({20}, rng);
    std::vector<double> copy(x.data(), x.data() + 20);
    std::span<const double> y = copy;
    for (std::size_t t = 0; t < kSteps; ++t) {
      y = stream.step(y);
      const auto want = apart.step(copy);
      copy.assign(want.begin(), want.end());
      REQUIRE(std::equal(y.begin(), y.end(), copy.begin(), copy.end()));
    }
  };
  loop(freeze(one));
  loop(freeze(two));
  loop(freeze(two, head));
}

TEST_CASE("a stream takes inputs of one size only, and an empty stream none") {
  static_assert(noexcept(std::declval<Stream<float>&>().step(std::span<const float>())));
  static_assert(noexcept(std::declval<Stream<double>&>().reset()));
  Rng rng(10);
  const Rnn<float> rnn({.input = 3, .hidden = 4}, rng);
  Stream<float> stream = freeze(rnn, {.batch = 2}), same = freeze(rnn, {.batch = 2}), none;
  CHECK(stream.batch() == 2);
  CHECK(stream.input_size() == 3);
  CHECK(stream.output_size() == 4);
  const std::vector<float> x(7, 0.5F);
  for (const std::size_t size : {0U, 1U, 3U, 5U, 7U}) CHECK(stream.step({x.data(), size}).empty());
  const auto y = stream.step({x.data(), 6}), want = same.step({x.data(), 6});
  CHECK(std::equal(y.begin(), y.end(), want.begin(), want.end()));

  CHECK(none.step(std::span<const float>()).empty());
  CHECK(none.step(x).empty());
  CHECK((none.batch() == 0 && none.input_size() == 0 && none.output_size() == 0));
  none.reset();
  CHECK(none.clone().step(x).empty());
  CHECK(none.states<Var<float>>().empty());
}

TEST_CASE("a NaN goes through a stream as through a sequence, until reset") {
  Rng rng(11);
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const Rnn<float> rnn({.input = 1, .hidden = 3, .activation = Activation::relu()}, rng);
  Stream<float> stream = freeze(rnn);
  CHECK(std::isnan(stream.step({&nan, 1})[2]));
  const float one = 1.0F;
  CHECK(std::isnan(stream.step({&one, 1})[2]));
  stream.reset();
  CHECK_FALSE(std::isnan(stream.step({&one, 1})[2]));
}

#if defined(__SSE2__)
TEST_CASE("a stream runs with denormal numbers flushed to zero, and leaves that mode alone") {
  Rng rng(12);
  const Lstm<float> lstm({.input = 2, .hidden = 9}, rng);
  Tensor<float> x = normal<float>({kSteps, 1, 2}, rng);
  for (std::size_t k = 60; k < 120; ++k) x.data()[k] *= 1e-39F;
  const Tensor<float> want = lstm(Var<float>(x)).output.value();
  Stream<float> stream = freeze(lstm);
  const unsigned before = _mm_getcsr(), flush = before | 0x8040U;
  _mm_setcsr(flush);
  const double error = distance(stream, x, want);
  const unsigned after = _mm_getcsr();
  _mm_setcsr(before);
  CHECK((after & 0x8040U) == 0x8040U);
  CHECK(error < 2e-6);
}
#endif

TEST_CASE("a stream refuses states that do not fit, and goes on as it was") {
  Rng rng(13);
  const Lstm<double> lstm({.input = 2, .hidden = 3}, {.layers = 2}, rng);
  Stream<double> stream = freeze(lstm, {.batch = 2});
  const Tensor<double> x = normal<double>({kSteps, 2, 2}, rng);
  auto states = random_states(lstm, 2, rng);
  states[1].c = Var<double>(zeros<double>({2, 4}));
  CHECK_THROWS_WITH(stream.set_states(states),
                    Equals("[Stream.set_states] states[1].c: expected (2,3) (batch, features), got (2,4) "
                           "(the states of another layer or batch?)"));
  states.pop_back();
  CHECK_THROWS_WITH(stream.set_states(states),
                    Equals("[Stream.set_states] states: expected 2 entries (one per layer), got 1"));
  const States<Var<double>> of_gru(2, Var<double>(zeros<double>({2, 3})));
  CHECK_THROWS_WITH(
      stream.set_states(of_gru),
      Equals("[Stream.set_states] states: expected h and c per layer, got 1 (the states of another cell?)"));
  CHECK_THROWS_WITH(stream.states<Var<double>>(),
                    Equals("[Stream.states] State: expected 2 Vars, got 1 (the layer's type State?)"));
  CHECK(distance(stream, x, lstm(Var<double>(x)).output.value()) < 1e-12);
  CHECK_THROWS_AS(Stream<double>().set_states(states), ShapeError);
}

TEST_CASE("freeze names the layer and the option that a stream has not") {
  Rng rng(14);
  const auto refused = [](const auto& layer, const std::string& want) {
    CHECK_THROWS_AS(freeze(layer), ArgumentError);
    CHECK_THROWS_WITH(freeze(layer), Equals(want));
  };
  const Activation reads("reads", [](const auto& x) {
    x.value();
    return tanh(x);
  });
  refused(Rnn<double>({.input = 2, .hidden = 3, .activation = reads}, rng),
          "[Rnn.freeze] step: expected one that is a program, got one that is not: step() reads or changes a "
          "value, or has a hook (use Recurrent::step)");
  refused(Gru<float>({.input = 2, .hidden = 3}, {.bidirectional = true}, rng),
          "[Gru.freeze] bidirectional: expected false (the backward direction needs the whole sequence)");
  refused(Gru<float>(), "[Gru.freeze] layer: expected one with cells, got an empty one");
  Gru<float> gru({.input = 2, .hidden = 3}, rng);
  CHECK_THROWS_WITH(freeze(gru, {.batch = 0}), Equals("[Gru.freeze] batch: expected >= 1, got 0"));
  const Linear<float> head(4, 1, rng);
  CHECK_THROWS_AS(freeze(gru, head), ShapeError);
  CHECK_THROWS_WITH(freeze(gru, head),
                    Equals("[Gru.freeze] head: expected a weight (O,3) for the layer's output, got (1,4)"));
  gru.cells()[0].bias_hh = Var<float>(zeros<float>({3}));
  CHECK_THROWS_WITH(freeze(gru), Equals("[Gru.freeze] bias_hh: expected (9), got (3)"));
}
