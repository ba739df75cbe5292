// Threads that share the hidden units of a small batch.
#include <array>
#include <catch2/catch.hpp>

#include "framework/kernels/parallel.hpp"
#include "framework/kernels/spin_barrier.hpp"
#include "layers/kernels/products.hpp"
#include "layers/layers.hpp"
#include "threads_allowed.hpp"

using namespace unroll;

namespace {

using Threads = test::ThreadsAllowed;

constexpr std::size_t kSteps = 5, kInput = 6;

// Outputs, all states and every gradient for random upstream gradients of all of them.
template <class Layer>
std::vector<Tensor<float>> everything(const Layer& layer, std::size_t batch) {
  Rng rng(31);
  const auto random = [&](const Shape& shape) { return random_normal<float>(shape, 0.0F, 1.0F, rng); };
  Tape tape;
  auto wanted = parameters(layer);
  wanted.push_back(parameter(random({kSteps, batch, kInput})));
  const Var<float> x = wanted.back();
  States<typename Layer::State> states{zero_state(layer.cells()[0], batch)};
  for_each_in_state(states[0], [&](Var<float>& var) {
    var = parameter(random(var.shape()));
    wanted.push_back(var);
  });
  const auto result = layer.with_all_states(x, {.states = states, .lengths = {}});
  std::vector<Var<float>> outputs{result.output};
  for_each_in_state(result.states[0], [&](const Var<float>& var) { outputs.push_back(var); });
  for_each_in_state(result.all_states[0], [&](const Var<float>& var) { outputs.push_back(var); });
  std::vector<Var<float>> upstream;
  std::vector<Tensor<float>> all;
  for (const auto& output : outputs) {
    upstream.emplace_back(random(output.shape()));
    all.push_back(output.value());
  }
  for (const auto& g : gradients(outputs, wanted, upstream)) all.push_back(g.value());
  return all;
}

template <class Layer>
void check_same_bits(const Layer& layer) {
  for (const std::size_t batch : {std::size_t{1}, std::size_t{3}}) {
    INFO(layer.extra_repr() << ", batch " << batch);
    const auto one = [&] {
      const Threads threads(1);
      return everything(layer, batch);
    }();
    for (const int count : {2, 3}) {
      const Threads threads(count);
      const bool same = everything(layer, batch) == one;  // not in CHECK, which would print all numbers
      CHECK(same);
    }
  }
}

}  // namespace

TEST_CASE("hidden units shared by two or three threads come out bit for bit as from one") {
  Rng rng(32);
  check_same_bits(Rnn<float>({.input = kInput, .hidden = 768}, rng));
  check_same_bits(Rnn<float>({.input = kInput, .hidden = 768, .activation = Activation::relu()}, rng));
  check_same_bits(Lstm<float>({.input = kInput, .hidden = 384}, rng));
  check_same_bits(Gru<float>({.input = kInput, .hidden = 512}, rng));
  check_same_bits(Gru<float>({.input = kInput, .hidden = 512, .reset = GruReset::before}, rng));
}

TEST_CASE("units are shared where a step's weights are large, and all sequences of one length") {
  constexpr std::size_t kBlock = 32, kHidden = 384;
  const auto parts = [](const bptt::BatchLayout& layout, std::size_t hidden) {
    return bptt::unit_parts<float>(layout, layout.total * 4 * hidden * hidden, hidden, kBlock);
  };
  const auto dense = bptt::BatchLayout::dense(kSteps, 3, false);
  {
    const Threads one(1);
    CHECK(parts(dense, kHidden) == 1);
  }
  const Threads three(3);
  CHECK(parts(dense, kHidden) == 3);
  CHECK(parts(dense, kHidden - 1) == 1);
  CHECK(parts(dense, 256) == 1);
  CHECK(parts(bptt::BatchLayout::dense(3, 3, false), kHidden) == 1);
  CHECK(parts(bptt::BatchLayout::ragged(kSteps, {5, 5, 4}, false), kHidden) == 1);
  std::size_t inside = 0;
  kernel::parallel(2, [&](std::size_t part) {
    if (part == 0) inside = parts(dense, kHidden);
  });
  CHECK(inside == 1);
}

TEST_CASE("threads that meet see what the others wrote before, and parts that cannot meet do not run") {
  const Threads three(3);
  constexpr std::size_t kThreads = 3;
  constexpr int kRounds = 2000;
  kernel::SpinBarrier barrier(kThreads);
  std::array<std::array<int, 64>, kThreads> written{};
  std::array<int, kThreads> wrong{};
  CHECK(kernel::parallel_at_once(kThreads, [&](std::size_t part) {
    for (int round = 1; round <= kRounds; ++round) {
      written[part][0] = round;
      barrier.arrive_and_wait();
      for (const auto& other : written) wrong[part] += other[0] != round;
      barrier.arrive_and_wait();
    }
  }));
  CHECK(wrong == std::array<int, kThreads>{});
  bool inner = true;
  kernel::parallel(2, [&](std::size_t part) {
    if (part == 0) inner = kernel::parallel_at_once(2, [](std::size_t) {});
  });
  CHECK_FALSE(inner);
}
