// Dropout: a layer with its own random numbers.
#pragma once

#include "framework/ops.hpp"
#include "framework/random.hpp"
#include "layers/module.hpp"

namespace unroll {

// While training, sets each element to 0 with probability p and scales the rest by 1/(1-p) (Srivastava et al.
// 2014); the identity in evaluation. Throws ArgumentError unless 0 <= p <= 1.
template <class S>
struct Dropout : MoveOnly {
  static constexpr const char* kName = "Dropout";
  double p = 0.0;
  bool training = true;
  // Advances with every call, so two threads cannot share a Dropout that is training.
  mutable Rng rng{0};

  Dropout() = default;
  UNROLL_MOVE_ONLY(Dropout)
  Dropout(double probability, Rng& source);
  Var<S> operator()(const Var<S>& x) const;
  std::string extra_repr() const;

  static void each(auto& self, auto&& visit) {
    visit("p", self.p);
    visit("training", self.training);
    visit("rng", self.rng);
  }
};

extern template struct Dropout<float>;
extern template struct Dropout<double>;

}  // namespace unroll
