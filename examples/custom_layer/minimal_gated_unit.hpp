// A recurrent cell of one's own, with all that a cell needs. Copy it, rename it, change step().
#pragma once

#include "layers/linear.hpp"
#include "layers/recurrent.hpp"

namespace unroll::examples {

// Minimal gated unit (Zhou, Wu, Zhang and Zhou 2016): a GRU whose one gate does both jobs.
//   f  = sigmoid(W_f [h, x] + b_f)
//   n  = tanh(W_n [f h, x] + b_n)
//   h' = (1-f) h + f n
template <class S>
struct MinimalGatedUnit {
  static constexpr const char* kKind = "MinimalGatedUnit";
  CellSizes options;
  Linear<S> forget, fresh;  // W_f b_f, W_n b_n

  MinimalGatedUnit() = default;
  MinimalGatedUnit(CellSizes n, Rng& rng)
      : options(n), forget(n.hidden + n.input, n.hidden, rng), fresh(n.hidden + n.input, n.hidden, rng) {}

  // x (B,I), h (B,H) -> the next h.
  Var<S> step(const Var<S>& x, const Var<S>& h) const {
    const Var<S> f = sigmoid(forget(concat({h, x}, 1)));
    const Var<S> n = tanh(fresh(concat({f * h, x}, 1)));
    return (1.0 - f) * h + f * n;
  }

  static void each(auto& self, auto&& visit) {
    visit("options", self.options);
    visit("forget", self.forget);
    visit("fresh", self.fresh);
  }
};

}  // namespace unroll::examples
