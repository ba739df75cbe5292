// A cell as a user writes it: step() alone, and everything else comes from Recurrent.
#pragma once

#include "layers/layers.hpp"

namespace unroll::test {

// f = sigmoid(W_f [x h] + b_f),  n = tanh(W_n [x, f h] + b_n),  h' = (1-f) h + f n (Zhou et al. 2016)
template <class S>
struct MinimalGatedUnit : MoveOnly {
  CellSizes options;
  Linear<S> forget, candidate;

  MinimalGatedUnit() = default;
  MinimalGatedUnit(CellSizes sizes, Rng& rng)
      : options(sizes),
        forget(sizes.input + sizes.hidden, sizes.hidden, rng),
        candidate(sizes.input + sizes.hidden, sizes.hidden, rng) {}
  Var<S> step(const Var<S>& x, const Var<S>& h) const {
    const Var<S> f = sigmoid(forget(concat(std::vector<Var<S>>{x, h}, 1)));
    const Var<S> n = tanh(candidate(concat(std::vector<Var<S>>{x, f * h}, 1)));
    return (1.0 - f) * h + f * n;
  }
  static void each(auto& self, auto&& visit) {
    visit("options", self.options);
    visit("forget", self.forget);
    visit("candidate", self.candidate);
  }
};

}  // namespace unroll::test
