// The two directions of a layer at the same time: which layers do it, and that nobody can tell.
#include "layers/recurrent/schedule.hpp"

#include <array>
#include <catch2/catch.hpp>
#include <stdexcept>
#include <string>
#include <thread>

#include "framework/kernels/parallel.hpp"
#include "framework/threads.hpp"
#include "layers/layers.hpp"
#include "threads_allowed.hpp"

using namespace unroll;

namespace {

using Threads = test::ThreadsAllowed;

constexpr Index kSteps = 80, kInput = 40, kHidden = 96;
const std::vector<Index> kLengths{61, 80, 75};

// Two layers of every kind with a kernel, in both directions, large enough for two threads.
template <class S, class F>
void for_each_kind(RecurrentOptions options, F&& f) {
  Rng rng(91);
  options.layers = 2, options.bidirectional = true;
  f(Rnn<S>({.input = kInput, .hidden = kHidden}, options, rng));
  f(Lstm<S>({.input = kInput, .hidden = kHidden}, options, rng));
  f(Lstm<S>({.input = kInput, .hidden = kHidden, .projection = 24, .bias = Bias::none}, options, rng));
  f(Gru<S>({.input = kInput, .hidden = kHidden}, options, rng));
  f(Gru<S>({.input = kInput, .hidden = kHidden, .reset = GruReset::before}, options, rng));
}

template <class S>
void add_values(std::vector<Tensor<S>>& all, const std::vector<Var<S>>& more) {
  for (const Var<S>& v : more) all.push_back(v.value());
}

// All that a call gives, and its gradients for the input, the initial states and the parameters.
template <class S, class Layer>
std::vector<Tensor<S>> everything(Layer& layer, const std::vector<Index>& lengths, bool all_states,
                                  bool twice) {
  layer.reseed(92);
  Rng rng(93);
  const std::size_t batch = lengths.empty() ? kLengths.size() : lengths.size();
  const Tape tape;
  const Var<S> x =
      parameter(random_normal<S>({std::size_t(kSteps), batch, std::size_t(kInput)}, S(0), S(1), rng));
  auto wanted = parameters(layer);
  wanted.push_back(x);
  typename Layer::Inputs given{.states = {}, .lengths = lengths};
  for (const auto& cell : layer.cells()) {
    given.states.push_back(map_state(zero_state(cell, batch), [&](const Var<S>& zero) {
      wanted.push_back(parameter(random_normal<S>(zero.shape(), S(0), S(1), rng)));
      return wanted.back();
    }));
  }
  std::vector<Var<S>> results;
  const auto add_states = [&](const auto& states) {
    for (const auto& state : states) for_each_in_state(state, [&](const Var<S>& v) { results.push_back(v); });
  };
  if (all_states) {
    const auto trace = layer.with_all_states(x, given);
    results.push_back(trace.output);
    add_states(trace.states);
    add_states(trace.all_states);
  } else {
    const auto result = layer(x, given);
    results.push_back(result.output);
    add_states(result.states);
  }
  std::vector<Tensor<S>> all;
  add_values(all, results);
  // x is used outside of the layer, too: the order of its sums shows.
  Var<S> loss = sum(square(x)) * 0.1;
  for (const Var<S>& v : results) loss = loss + sum(v * Var<S>(random_normal<S>(v.shape(), S(0), S(1), rng)));
  const auto first = gradients<S>({loss}, wanted, {}, twice);
  add_values(all, first);
  if (twice) {
    Var<S> squares(zeros<S>({}));
    for (const Var<S>& g : first) squares = squares + sum(square(g));
    add_values(all, gradients<S>({squares}, wanted));
  }
  return all;
}

template <class S>
void check_threads(const RecurrentOptions& options, const std::vector<Index>& lengths,
                   bool all_states = false, bool twice = false) {
  for_each_kind<S>(options, [&](auto layer) {
    INFO(layer.extra_repr());
    const auto run = [&](int threads) {
      const Threads allowed(threads);
      return everything<S>(layer, lengths, all_states, twice);
    };
    const auto one = run(1);
    CHECK((run(2) == one));  // in brackets: a failure is not to print all numbers
    CHECK((run(3) == one));
  });
}

bptt::BatchLayout steps_of(std::size_t steps, std::size_t batch) {
  return bptt::BatchLayout::dense(steps, batch, false);
}

}  // namespace

TEST_CASE("directions at the same time give the bits of one after the other") {
  {
    const Threads two(2);  // so that the layers of these tests do run so
    const auto longest_first = bptt::BatchLayout::ragged(80, {80, 75, 61}, false);
    const std::size_t weights = kHidden * (kInput + kHidden);
    REQUIRE(detail::passes_at_once(detail::Grid::side_by_side, longest_first, std::array{weights, weights}));
  }
  SECTION("in float") { check_threads<float>({}, {}); }
  SECTION("in double") { check_threads<double>({}, {}); }
  SECTION("of a ragged batch") { check_threads<float>({}, kLengths); }
  SECTION("of one sequence") { check_threads<float>({}, {kSteps}); }
  SECTION("of one sequence that ends before its padding does") { check_threads<float>({}, {kSteps - 2}); }
  SECTION("of sequences some of which do not begin") { check_threads<float>({}, {0, kSteps, 0}); }
  SECTION("with dropout between the layers") { check_threads<float>({.dropout = 0.3}, kLengths); }
  SECTION("with the states of all steps") { check_threads<float>({}, kLengths, true); }
  SECTION("with second derivatives") { check_threads<double>({}, kLengths, false, true); }
  SECTION("with checkpoints, which run one after the other") {
    check_threads<float>({.checkpoint_every = 30}, kLengths);
  }
}

TEST_CASE("only the direction that leads to a loss gets gradients") {
  const Threads two(2);
  Rng rng(94);
  const Gru<float> gru({.input = kInput, .hidden = kHidden}, {.bidirectional = true}, rng);
  const Var<float> x(random_normal<float>({std::size_t(kSteps), 3, std::size_t(kInput)}, 0.0F, 1.0F, rng));
  for (const std::size_t used : {0U, 1U}) {
    Tape tape;
    const auto result = gru(x);
    tape.backward(sum(result.states[used]));
    CHECK(gru.cells()[used].weight_hh.has_grad());
    CHECK_FALSE(gru.cells()[1 - used].weight_hh.has_grad());
  }
}

TEST_CASE("work that a second thread would not shorten stays on one") {
  const std::size_t weights = 4 * 128 * (64 + 128);
  const Threads two(2);
  CHECK(detail::passes_at_once(detail::Grid::side_by_side, steps_of(100, 2), std::array{weights, weights}));
  CHECK(detail::passes_at_once(detail::Grid::side_by_side, steps_of(100, 64), std::array{weights, weights}));
  CHECK_FALSE(detail::passes_at_once(detail::Grid::side_by_side, steps_of(1, 1),
                                     std::array{weights, weights}));  // a step of a stream
  CHECK_FALSE(
      detail::passes_at_once(detail::Grid::side_by_side, steps_of(25, 1),
                             std::array{8 * weights, 8 * weights}));  // too few rows for their weights
  CHECK_FALSE(detail::passes_at_once(detail::Grid::side_by_side, steps_of(100, 2),
                                     std::array{weights / 64, weights / 64}));  // too few multiplications
  set_num_threads(1);
  CHECK_FALSE(
      detail::passes_at_once(detail::Grid::side_by_side, steps_of(100, 2), std::array{weights, weights}));
  set_num_threads(4);
  CHECK(detail::passes_at_once(detail::Grid::side_by_side, steps_of(100, 8), std::array{weights, weights}));
  CHECK_FALSE(detail::passes_at_once(detail::Grid::side_by_side, steps_of(100, 64),
                                     std::array{weights, weights}));  // rows keep more threads busy
}

TEST_CASE("inside of a part there is one thread, and another call runs on it") {
  const Threads three(3);
  std::array<std::size_t, 2> here{};
  std::array<bool, 2> alone{};
  kernel::parallel(2, [&](std::size_t part) {
    here[part] = kernel::threads_here();
    const auto self = std::this_thread::get_id();
    alone[part] = true;
    kernel::parallel(3,
                     [&](std::size_t) { alone[part] = alone[part] && std::this_thread::get_id() == self; });
  });
  CHECK(here == std::array<std::size_t, 2>{1, 1});
  CHECK((alone[0] && alone[1]));
  CHECK(kernel::threads_here() == 3);
}

TEST_CASE("training both directions on two threads does not pile up memory") {
  const Threads two(2);
  Rng rng(95);
  const Lstm<float> lstm({.input = kInput, .hidden = kHidden}, {.bidirectional = true}, rng);
  const Var<float> x(random_normal<float>({std::size_t(kSteps), 3, std::size_t(kInput)}, 0.0F, 1.0F, rng));
  const auto steps = [&](int count) {
    for (int i = 0; i < count; ++i) {
      Tape tape;
      tape.backward(sum(square(lstm(x).output)));
    }
    return pooled_bytes();
  };
  release_unused_memory();
  const std::size_t others = pooled_bytes();
  const std::size_t before = steps(10);
  CHECK(steps(30) == before);
  release_unused_memory();
  CHECK(pooled_bytes() == others);
}
