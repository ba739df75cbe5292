// A cell that draws random numbers itself.
#pragma once

#include "layers/layers.hpp"

namespace unroll::test {

template <class S>
struct NoisyCell : MoveOnly {
  CellSizes options;
  Linear<S> from_input, from_state;
  Dropout<S> noise;

  NoisyCell() = default;
  NoisyCell(CellSizes sizes, Rng& rng)
      : options(sizes),
        from_input(sizes.input, sizes.hidden, rng),
        from_state(sizes.hidden, sizes.hidden, rng),
        noise(0.4, rng) {}
  Var<S> step(const Var<S>& x, const Var<S>& h) const { return tanh(noise(from_input(x)) + from_state(h)); }
  static void each(auto& self, auto&& visit) {
    visit("options", self.options);
    visit("from_input", self.from_input);
    visit("from_state", self.from_state);
    visit("noise", self.noise);
  }
};

}  // namespace unroll::test
