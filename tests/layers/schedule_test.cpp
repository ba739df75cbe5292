// Layers one on top of the other at the same time: which do it, and that nobody can tell.
#include "layers/recurrent/schedule.hpp"

#include <array>
#include <atomic>
#include <catch2/catch.hpp>
#include <cmath>
#include <stdexcept>
#include <string>
#include <vector>

#include "framework/kernels/parallel.hpp"
#include "framework/threads.hpp"
#include "layers/layers.hpp"
#include "threads_allowed.hpp"

using namespace unroll;

namespace {

using Threads = test::ThreadsAllowed;

constexpr Index kSteps = 97, kInput = 100, kHidden = 160;

// Layers of every kind with a kernel, large enough for two threads.
template <class S, class F>
void for_each_kind(RecurrentOptions options, F&& f) {
  Rng rng(71);
  f(Rnn<S>({.input = kInput, .hidden = kHidden}, options, rng));
  f(Rnn<S>({.input = kInput, .hidden = kHidden, .activation = Activation::relu()}, options, rng));
  f(Lstm<S>({.input = kInput, .hidden = kHidden}, options, rng));
  f(Lstm<S>({.input = kInput, .hidden = kHidden, .projection = 40, .bias = Bias::none}, options, rng));
  f(Gru<S>({.input = kInput, .hidden = kHidden}, options, rng));
  f(Gru<S>({.input = kInput, .hidden = kHidden, .reset = GruReset::before}, options, rng));
}

struct Case {
  std::size_t batch = 3;
  std::vector<Index> lengths = {};
  bool states = true;        // initial ones are given
  bool twice = false;        // second derivatives, too
  bool output_only = false;  // the loss sees the output only
};

// All that a call gives, and its gradients for the input, the initial states and the parameters.
template <class S, class Layer>
std::vector<Tensor<S>> everything(const Layer& layer, const Case& c) {
  Rng rng(73);
  const Tape tape;
  const Var<S> x =
      parameter(random_normal<S>({std::size_t(kSteps), c.batch, std::size_t(kInput)}, S(0), S(1), rng));
  auto wanted = parameters(layer);
  wanted.push_back(x);
  typename Layer::Inputs given{.states = {}, .lengths = c.lengths};
  for (const auto& cell : layer.cells()) {
    if (!c.states) continue;
    given.states.push_back(map_state(zero_state(cell, c.batch), [&](const Var<S>& zero) {
      wanted.push_back(parameter(random_normal<S>(zero.shape(), S(0), S(1), rng)));
      return wanted.back();
    }));
  }
  const auto result = layer(x, given);
  std::vector<Var<S>> results{result.output};
  for (const auto& state : result.states)
    for_each_in_state(state, [&](const Var<S>& v) { results.push_back(v); });
  std::vector<Tensor<S>> all;
  for (const Var<S>& v : results) all.push_back(v.value());
  if (c.output_only) results.resize(1);
  // x is used outside of the layer, too: the order of its sums shows.
  Var<S> loss = sum(square(x)) * 0.1;
  for (const Var<S>& v : results) loss = loss + sum(v * Var<S>(random_normal<S>(v.shape(), S(0), S(1), rng)));
  const auto first = gradients<S>({loss}, wanted, {}, c.twice);
  for (const Var<S>& v : first) all.push_back(v.value());
  if (c.twice) {
    Var<S> squares(zeros<S>({}));
    for (const Var<S>& g : first) squares = squares + sum(square(g));
    for (const Var<S>& v : gradients<S>({squares}, wanted)) all.push_back(v.value());
  }
  return all;
}

template <class S>
void check_threads(const Case& c, const RecurrentOptions& options = {.layers = 3}) {
  for_each_kind<S>(options, [&](const auto& layer) {
    INFO(layer.extra_repr());
    const auto run = [&](int threads) {
      const Threads allowed(threads);
      return everything<S>(layer, c);
    };
    const auto one = run(1);
    CHECK((run(2) == one));  // in brackets: a failure is not to print all numbers
    CHECK((run(3) == one));
  });
}

// The largest difference, in parts of the largest number.
double difference(const std::vector<Tensor<double>>& a, const std::vector<Tensor<double>>& b) {
  REQUIRE(a.size() == b.size());
  double largest = 0.0, most = 0.0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    REQUIRE(a[i].shape() == b[i].shape());
    for (std::size_t k = 0; k < a[i].size(); ++k) {
      largest = std::max(largest, std::abs(b[i].data()[k]));
      most = std::max(most, std::abs(a[i].data()[k] - b[i].data()[k]));
    }
  }
  return most / largest;
}

bptt::BatchLayout dense(std::size_t steps, std::size_t batch) {
  return bptt::BatchLayout::dense(steps, batch, false);
}

// A Gru of three layers, and the names of the parameters that have a gradient after backward().
struct ThreeLayers {
  Rng rng{75};
  Gru<float> gru{{.input = kInput, .hidden = kHidden}, {.layers = 3}, rng};
  Var<float> x{random_normal<float>({std::size_t(kSteps), 3, std::size_t(kInput)}, 0.0F, 1.0F, rng)};
  std::vector<bool> with_gradient() const {
    std::vector<bool> result;
    for (const auto& cell : gru.cells()) result.push_back(cell.weight_hh.has_grad());
    return result;
  }
};

}  // namespace

TEST_CASE("layers at the same time give the bits of one after the other") {
  {
    const Threads two(2);  // so that the layers of these tests do run so
    const std::size_t first = kHidden * (kInput + kHidden), other = 2 * kHidden * kHidden;  // of an Rnn
    REQUIRE(detail::passes_at_once(detail::Grid::stacked, dense(kSteps, 1), std::array{first, other, other}));
    REQUIRE(detail::passes_at_once(detail::Grid::stacked, dense(kSteps, 3), std::array{first, other}));
  }
  SECTION("in float") { check_threads<float>({}); }
  SECTION("in double") { check_threads<double>({}); }
  SECTION("of a ragged batch") { check_threads<float>({.lengths = {20, 97, 75}}); }
  SECTION("of a ragged batch that ends before its padding does") {
    check_threads<float>({.batch = 4, .lengths = {60, 2, 71, 71}});
  }
  SECTION("of one sequence") { check_threads<float>({.batch = 1}); }
  SECTION("of one sequence that ends before its padding does") {
    check_threads<float>({.batch = 1, .lengths = {kSteps - 2}});
  }
  SECTION("of sequences some of which do not begin") { check_threads<float>({.lengths = {0, kSteps, 0}}); }
  SECTION("of many sequences") { check_threads<float>({.batch = 9}); }
  SECTION("without states") { check_threads<float>({.states = false}); }
  SECTION("with learned states") {
    check_threads<float>({.states = false}, {.layers = 3, .learn_initial_states = true});
  }
  SECTION("of two layers") { check_threads<float>({}, {.layers = 2}); }
  SECTION("of layers of different widths") { check_threads<double>({}, {.widths = {160, 120, 176, 136}}); }
  SECTION("with a loss of the output only") { check_threads<float>({.output_only = true}); }
  SECTION("with second derivatives") { check_threads<double>({.lengths = {20, 97, 75}, .twice = true}); }
}

TEST_CASE("layers at the same time give what the ops give") {
  const Threads two(2);
  for_each_kind<double>({.layers = 3}, [&](auto layer) {
    INFO(layer.extra_repr());
    const Case c{.lengths = {20, 97, 75}};
    const auto by_kernel = everything<double>(layer, c);
    layer.set_path(Path::tape);
    CHECK(difference(by_kernel, everything<double>(layer, c)) < 1e-11);
  });
}

TEST_CASE("only the layers between a loss and what wants a gradient get one") {
  const Threads two(2);
  ThreeLayers l;
  SECTION("those below the loss") {
    Tape tape;
    const auto result = l.gru(l.x);
    tape.backward(sum(result.states[1]));
    CHECK(l.with_gradient() == std::vector<bool>{true, true, false});
  }
  SECTION("those that are not frozen") {
    // Constants in the place of the first two layers' parameters.
    for (std::size_t k : {0U, 1U}) {
      auto& cell = l.gru.cells()[k];
      for (Var<float>* v : {&cell.weight_ih, &cell.weight_hh, &cell.bias_ih, &cell.bias_hh}) *v = v->detach();
    }
    const auto run = [&](int threads) {
      const Threads allowed(threads);
      Tape tape;
      tape.backward(sum(square(l.gru(l.x).output)));
      CHECK(l.with_gradient() == std::vector<bool>{false, false, true});
      return l.gru.cells()[2].weight_hh.grad();
    };
    const auto one = run(1);
    CHECK((run(2) == one));
  }
  SECTION("none") {
    for (auto& cell : l.gru.cells()) {
      for (Var<float>* v : {&cell.weight_ih, &cell.weight_hh, &cell.bias_ih, &cell.bias_hh}) *v = v->detach();
    }
    const Tape tape;
    CHECK_FALSE(l.gru(l.x).output.requires_grad());
  }
}

TEST_CASE("layers that a second thread would not shorten run one after the other") {
  const std::size_t weights = 4 * 128 * (128 + 128);
  const Threads two(2);
  CHECK(detail::passes_at_once(detail::Grid::stacked, dense(100, 4), std::array{weights, weights}));
  CHECK_FALSE(detail::passes_at_once(detail::Grid::stacked, dense(100, 4), std::array{weights}));
  CHECK_FALSE(detail::passes_at_once(detail::Grid::stacked, dense(1, 1),
                                     std::array{weights, weights}));  // a step of a stream
  CHECK_FALSE(detail::passes_at_once(detail::Grid::stacked, dense(2, 128),
                                     std::array{weights, weights}));  // no chunks
  CHECK_FALSE(
      detail::passes_at_once(detail::Grid::stacked, dense(100, 4), std::array{weights / 64, weights / 64}));
  CHECK_FALSE(detail::passes_at_once(detail::Grid::stacked, dense(100, 4),
                                     std::array{weights / 8, weights}));  // one has it all
  CHECK(detail::passes_at_once(detail::Grid::stacked, dense(100, 8), std::array{weights, weights}));
  CHECK_FALSE(detail::passes_at_once(detail::Grid::stacked, dense(100, 32),
                                     std::array{weights, weights}));  // rows do as well
  set_num_threads(1);
  CHECK_FALSE(detail::passes_at_once(detail::Grid::stacked, dense(100, 4), std::array{weights, weights}));
  set_num_threads(4);
  CHECK(detail::passes_at_once(detail::Grid::stacked, dense(100, 4), std::array{weights, weights}));
  CHECK_FALSE(detail::passes_at_once(detail::Grid::stacked, dense(100, 64),
                                     std::array{weights, weights}));  // rows keep more busy
}

TEST_CASE("chunks of time have all rows once, in order") {
  const auto check = [](const bptt::BatchLayout& all, std::size_t count) {
    const auto chunks = bptt::time_chunks(all, count);
    REQUIRE(chunks.size() == count);
    std::size_t step = 0, row = 0;
    for (std::size_t i = 0; i < count; ++i) {
      const bptt::TimeChunk& chunk = chunks[i];
      CHECK(chunk.row == row);
      CHECK(chunk.begins == (i == 0));
      if (i > 0) CHECK(chunk.row_before == all.offset(step - 1));
      CHECK(chunk.layout.batch == all.batch);
      for (std::size_t t = 0; t < chunk.layout.count(); ++t, ++step) {
        CHECK(chunk.layout.batch_size(t) == all.batch_size(step));
        CHECK(chunk.layout.offset(t) + row == all.offset(step));
      }
      row += chunk.layout.total;
    }
    CHECK(step == all.count());
    CHECK(row == all.total);
  };
  check(dense(16, 3), 8);
  check(dense(17, 1), 4);
  check(dense(5, 2), 1);
  check(bptt::BatchLayout::ragged(20, {18, 18, 9, 2, 0}, false), 8);
  check(bptt::BatchLayout::ragged(9, {9, 1, 1, 1}, false), 9);
}

TEST_CASE("a stack runs every stage after those that it waits for") {
  const Threads two(2);
  constexpr std::size_t kChunks = 5;
  for (const bool at_once : {false, true}) {
    for (const std::size_t layers : {2U, 3U, 5U}) {
      std::vector<std::atomic<std::size_t>> done(layers);
      std::atomic<bool> in_order{true};
      detail::run_schedule(detail::Grid::stacked, at_once, layers, kChunks,
                           [&](std::size_t layer, std::size_t stage) {
                             const bool inner = stage >= 1 && stage <= kChunks;
                             if (done[layer] != stage || (layer > 0 && inner && done[layer - 1] <= stage))
                               in_order = false;
                             ++done[layer];
                           });
      CHECK(in_order);
      for (const auto& stages : done) CHECK(stages == kChunks + 2);
    }
  }
}

TEST_CASE("a wavefront inside of a part runs on its thread") {
  const Threads two(2);
  std::array<std::size_t, 2> stages{};
  kernel::parallel(2, [&](std::size_t part) {
    detail::run_schedule(detail::Grid::stacked, true, 3, 4,
                         [&](std::size_t, std::size_t) { ++stages[part]; });
  });
  CHECK(stages == std::array<std::size_t, 2>{18, 18});
}

TEST_CASE("what a stage throws reaches the caller, and no further one begins") {
  const Threads two(2);
  for (const bool at_once : {false, true}) {
    for (std::size_t layer : {0U, 1U, 2U}) {
      for (std::size_t stage : {0U, 1U, 3U, 5U}) {
        std::atomic<bool> went_on{false};
        const auto run = [&](std::size_t l, std::size_t s) {
          if (l == layer && s == stage) throw std::runtime_error("stage");
          if (l == layer && s > stage) went_on = true;
        };
        for (const auto grid : {detail::Grid::stacked, detail::Grid::side_by_side})
          CHECK_THROWS_WITH(detail::run_schedule(grid, at_once, 3, 4, run), "stage");
        CHECK_FALSE(went_on);
      }
    }
  }
  std::atomic<int> ran{0};
  detail::run_schedule(detail::Grid::stacked, true, 2, 2,
                       [&](std::size_t, std::size_t) { ++ran; });  // and the next call works
  CHECK(ran == 8);
}

TEST_CASE("training layers on two threads does not pile up memory") {
  const Threads two(2);
  const ThreeLayers l;
  const auto steps = [&](int count) {
    for (int i = 0; i < count; ++i) {
      Tape tape;
      tape.backward(sum(square(l.gru(l.x).output)));
    }
    return pooled_bytes();
  };
  release_unused_memory();
  const std::size_t others = pooled_bytes();
  // Which thread runs which layer is not always the same, nor is what each then needs.
  const std::size_t before = steps(3);
  CHECK((steps(60) < 3 * before || UNROLL_POOL == 0));
  release_unused_memory();
  CHECK(pooled_bytes() == others);
}
