// A user's mistake that must not compile, with a message that says what to do.
#include "unroll.hpp"

int main() {
  unroll::Rng rng(1);
  const unroll::Lstm<float> lstm({.input = 2, .hidden = 3}, rng);
  lstm(unroll::Var<double>(unroll::zeros<double>({4, 1, 2})));
}
