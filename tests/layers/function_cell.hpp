// A cell from one function, and what a layer of cells computes, for the tests of compiled steps.
#pragma once

#include <catch2/catch.hpp>

#include <cmath>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "layers/layers.hpp"

namespace unroll::test {

using V = Var<double>;
constexpr std::size_t kSteps = 6, kInput = 3, kHidden = 5;

// A cell from one function of its weights (I,H), (H,H), (1,H) and (H), for what a test tries.
struct FunctionCell : MoveOnly {
  static constexpr const char* kName = "FunctionCell";
  using Scalar = double;
  using Step = std::function<V(const FunctionCell&, const V& x, const V& h)>;
  CellSizes options;
  V input, state, row, bias;
  double factor = 0.7;
  bool training = true;
  Step function;
  // What a step may change: a number that each() visits, and what it does not.
  mutable Index count = 0;
  mutable Index hidden = 0;
  mutable Rng own{5};
  mutable V kept;

  FunctionCell() = default;
  FunctionCell(CellSizes sizes, Rng& rng) : options(sizes) {
    const auto i = static_cast<std::size_t>(sizes.input), h = static_cast<std::size_t>(sizes.hidden);
    input = parameter(random_normal<double>({i, h}, 0.0, 0.5, rng), "input");
    state = parameter(random_normal<double>({h, h}, 0.0, 0.5, rng), "state");
    row = parameter(random_normal<double>({1, h}, 0.0, 0.5, rng), "row");
    bias = parameter(random_normal<double>({h}, 0.0, 0.5, rng), "bias");
  }
  V step(const V& x, const V& h) const { return function(*this, x, h); }
  static void each(auto& self, auto&& visit) {
    visit("options", self.options);
    visit("input", self.input);
    visit("state", self.state);
    visit("row", self.row);
    visit("bias", self.bias);
    visit("factor", self.factor);
    visit("training", self.training);
    visit("function", self.function);
    visit("count", self.count);
  }
};

template <class Cell>
Recurrent<Cell> make(RecurrentOptions options = {}) {
  Rng rng(3);
  return Recurrent<Cell>({.input = kInput, .hidden = kHidden}, std::move(options), rng);
}

inline Recurrent<FunctionCell> any(const FunctionCell::Step& step, RecurrentOptions options = {}) {
  auto layer = make<FunctionCell>(std::move(options));
  for (FunctionCell& cell : layer.cells()) cell.function = step;
  return layer;
}

inline V plain(const FunctionCell& c, const V& x, const V& h) {
  return tanh(matmul(x, c.input) + matmul(h, c.state) * c.row + c.bias);
}

// All outputs, then all gradients for random upstream gradients.
template <class Layer>
std::vector<Tensor<double>> results(const Layer& layer, std::size_t batch,
                                    const std::vector<Index>& lengths = {}, std::uint64_t seed = 4) {
  Rng rng(seed);
  const auto random = [&](const Shape& shape) { return random_normal<double>(shape, 0.0, 1.0, rng); };
  Tape tape;
  std::vector<V> inputs{parameter(random({kSteps, batch, kInput}))};
  using State = typename Layer::State;
  States<State> states;
  for (const auto& cell : layer.cells()) {
    states.push_back(map_state(zero_state(cell, batch), [&](const V& zero) {
      inputs.push_back(parameter(random(zero.shape())));
      return inputs.back();
    }));
  }
  for (const auto& p : parameters(layer)) inputs.push_back(p);
  const auto trace = layer.with_all_states(inputs[0], {.states = states, .lengths = lengths});
  std::vector<V> outputs{trace.output}, upstream;
  for (const auto* list : {&trace.states, &trace.all_states}) {
    for (const State& s : *list) for_each_in_state(s, [&](const V& var) { outputs.push_back(var); });
  }
  std::vector<Tensor<double>> all;
  for (const V& output : outputs) {
    all.push_back(output.value());
    upstream.emplace_back(random(output.shape()));
  }
  for (const V& g : gradients(outputs, inputs, upstream)) all.push_back(g.value());
  return all;
}

inline double furthest(const std::vector<Tensor<double>>& a, const std::vector<Tensor<double>>& b) {
  REQUIRE(a.size() == b.size());
  double worst = 0.0;
  for (std::size_t k = 0; k < a.size(); ++k) {
    REQUIRE(a[k].shape() == b[k].shape());
    for (std::size_t i = 0; i < a[k].size(); ++i)
      worst = std::max(worst, std::abs(a[k].data()[i] - b[k].data()[i]) / (1.0 + std::abs(b[k].data()[i])));
  }
  return worst;
}

}  // namespace unroll::test
