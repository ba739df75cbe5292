// minGRU: a cell whose gates do not read the state.
#pragma once

#include "unroll.hpp"

namespace unroll::gallery {

struct MinGruOptions {
  Index input = 0, hidden = 0;
  bool positive = true;  // g as in the reference, which keeps h above 0; or g(u) = u, as in the paper's body
};

// Feng et al. 2024, in the sequential form:
//   [u k] = W x,  z = sigmoid(k),  h' = (1-z) h + z g(u),  g(u) = u + 1/2 for u >= 0, else sigmoid(u)
// Parameter as in lucidrains/minGRU-pytorch: to_hidden_and_gate.weight (2H,I), rows u k. Its to_out is a
// Linear on the layer's output.
template <class S>
struct MinGruCell {
  static constexpr const char* kName = "MinGru";
  MinGruOptions options;
  Linear<S> to_hidden_and_gate;

  MinGruCell() = default;
  MinGruCell(MinGruOptions o, Rng& rng)
      : options(o), to_hidden_and_gate(o.input, 2 * o.hidden, rng, {.bias = false}) {}

  // Returns the next h: x (B,I), h (B,H).
  Var<S> step(const Var<S>& x, const Var<S>& h) const {
    const auto parts = chunk(to_hidden_and_gate(x), 2, 1);
    Var<S> u = parts[0];
    if (options.positive) {
      const Var<S> below = relu(-u);  // max(-u, 0)
      u = u + below + sigmoid(-below);
    }
    const Var<S> z = sigmoid(parts[1]);
    return (1.0 - z) * h + z * u;
  }
  static void each(auto& self, auto&& visit) {
    visit("options", self.options);
    visit("to_hidden_and_gate", self.to_hidden_and_gate);
  }
};

}  // namespace unroll::gallery
