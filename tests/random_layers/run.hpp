// A layer as a round has drawn it, and what it computes.
#pragma once

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <string>
#include <vector>

#include "draw.hpp"

namespace unroll::random_layers {

struct Mismatch : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// The largest difference, in units of the largest number of b or 1.
template <class A, class B>
double distance(const A* a, const B* b, std::size_t count) {
  double worst = 0.0, scale = 1.0;
  for (std::size_t i = 0; i < count; ++i) scale = std::max(scale, std::abs(static_cast<double>(b[i])));
  for (std::size_t i = 0; i < count; ++i) {
    const double error = std::abs(static_cast<double>(a[i]) - static_cast<double>(b[i]));
    if (!(error <= worst)) worst = error;  // also NaN
  }
  return worst / scale;
}

inline void require(bool holds, const std::string& what) {
  if (!holds) throw Mismatch(what);
}

template <class A, class B>
void require_near(const Tensor<A>& got, const Tensor<B>& want, double tolerance, const std::string& what) {
  require(got.shape() == want.shape(),
          what + ": shape " + to_string(got.shape()) + ", expected " + to_string(want.shape()));
  const double off = distance(got.data(), want.data(), want.size());
  require(off <= tolerance, what + ": off by " + std::to_string(off / tolerance) + " times the tolerance");
}

// The numbers that go in. x is (T,B,I) or (B,T,I).
template <class S>
struct Given {
  Tensor<S> x;
  std::vector<Tensor<S>> states;  // Var by Var; none: not given
  std::vector<Index> lengths;
};

// And those that come out.
template <class S>
struct Results {
  Tensor<S> output;
  std::vector<Tensor<S>> states;  // final, Var by Var
  std::vector<Tensor<S>> all_states;
  Tensor<S> dx;
  std::vector<Tensor<S>> gradients;  // of the parameters, then of given states
};

template <class To, class From>
std::vector<Tensor<To>> converted(const std::vector<Tensor<From>>& tensors) {
  std::vector<Tensor<To>> result;
  for (const auto& tensor : tensors) result.push_back(convert_tensor<To>(tensor));
  return result;
}

template <class Cell>
States<state_t<Cell>> states_of(const Recurrent<Cell>& layer, std::size_t batch,
                                const std::vector<Tensor<scalar_t<Cell>>>& values,
                                std::vector<Var<scalar_t<Cell>>>* vars = nullptr) {
  States<state_t<Cell>> states;
  if (values.empty()) return states;
  auto next = values.begin();
  for (const Cell& cell : layer.cells()) {
    states.push_back(map_state(zero_state(cell, batch), [&](const auto&) {
      const auto var = vars != nullptr ? parameter(*next++) : Var<scalar_t<Cell>>(*next++);
      if (vars != nullptr) vars->push_back(var);
      return var;
    }));
  }
  return states;
}

template <class State>
auto tensors_of(const States<State>& states) {
  std::vector<Tensor<scalar_t<State>>> result;
  for (const State& state : states) {
    for_each_in_state(state, [&](const auto& var) { result.push_back(var.value()); });
  }
  return result;
}

template <class Cell>
std::size_t batch_of(const Recurrent<Cell>& layer, const Shape& x) {
  return x[layer.options().batch_first ? 0 : 1];
}

// Outputs and states without a tape or, inside of `tape`, with none recording.
template <class Cell>
Results<scalar_t<Cell>> values(const Recurrent<Cell>& layer, const Given<scalar_t<Cell>>& given) {
  using S = scalar_t<Cell>;
  const NoGrad constants;
  auto out = layer(
      Var<S>(given.x),
      {.states = states_of(layer, batch_of(layer, given.x.shape()), given.states), .lengths = given.lengths});
  return {out.output.value(), tensors_of(out.states), {}, {}, {}};
}

// All of it. The loss is a sum over sequences, of squares: of the outputs and the final states and, if asked
// for, of all states.
template <class Cell>
Results<scalar_t<Cell>> everything(Recurrent<Cell>& layer, const Given<scalar_t<Cell>>& given,
                                   std::uint64_t seed, bool all_states) {
  using S = scalar_t<Cell>;
  layer.reseed(seed);
  const Tape tape;
  std::vector<Var<S>> wanted = parameters(layer);
  const Var<S> x = parameter(given.x);
  const auto states = states_of(layer, batch_of(layer, given.x.shape()), given.states, &wanted);
  wanted.push_back(x);
  Results<S> results;
  Var<S> loss;
  const auto add = [&](const Var<S>& var) {
    loss = loss.defined() ? loss + sum(square(var)) : sum(square(var));
  };
  const auto take = [&](const auto& out) {
    results.output = out.output.value();
    results.states = tensors_of(out.states);
    add(out.output);
    for (const auto& state : out.states) for_each_in_state(state, add);
  };
  if (all_states) {
    const auto out = layer.with_all_states(x, {.states = states, .lengths = given.lengths});
    take(out);
    results.all_states = tensors_of(out.all_states);
    for (const auto& state : out.all_states) for_each_in_state(state, add);
  } else {
    take(layer(x, {.states = states, .lengths = given.lengths}));
  }
  for (const auto& g : gradients(std::vector<Var<S>>{loss}, wanted)) results.gradients.push_back(g.value());
  results.dx = std::move(results.gradients.back());
  results.gradients.pop_back();
  return results;
}

template <class A, class B>
void require_near(const Results<A>& got, const Results<B>& want, double tolerance, const std::string& what) {
  require_near(got.output, want.output, tolerance, what + ", output");
  const auto lists = [&](const auto& a, const auto& b, const char* name) {
    require(a.size() == b.size(), what + ", number of " + name);
    for (std::size_t i = 0; i < a.size(); ++i)
      require_near(a[i], b[i], tolerance, what + ", " + name + " " + std::to_string(i));
  };
  lists(got.states, want.states, "state");
  if (!got.all_states.empty() && !want.all_states.empty())
    lists(got.all_states, want.all_states, "all states");
  if (got.gradients.empty() || want.gradients.empty()) return;
  require_near(got.dx, want.dx, tolerance, what + ", gradient of x");
  lists(got.gradients, want.gradients, "gradient");
}

template <class S>
void require_finite(const Results<S>& results, const std::string& what) {
  const auto check = [&](const Tensor<S>& tensor) {
    require(std::all_of(tensor.data(), tensor.data() + tensor.size(), [](S v) { return std::isfinite(v); }),
            what + ": not finite");
  };
  check(results.output);
  check(results.dx);
  for (const auto* list : {&results.states, &results.all_states, &results.gradients}) {
    for (const auto& tensor : *list) check(tensor);
  }
}

}  // namespace unroll::random_layers
