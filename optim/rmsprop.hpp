// RMSprop.
#pragma once

#include "optim/optimizer.hpp"

namespace unroll {

struct RmsPropOptions {
  static constexpr const char* kName = "RmsProp";
  double lr = 0.01;
  double alpha = 0.99;
  double eps = 1e-8;
  double weight_decay = 0.0;
  double momentum = 0.0;
  bool centered = false;
  bool maximize = false;  // maximises: uses -g instead of g
  void check() const;
  std::vector<StateInfo> state() const;
};

// RMSprop (Hinton 2012, lecture 6e; centered: Graves 2013):
//   d = g + weight_decay p
//   v = alpha v + (1 - alpha) d^2
//   a = alpha a + (1 - alpha) d,  w = v - a^2 (centered);  w = v (otherwise)
//   d = d / (sqrt(w) + eps)
//   b = momentum b + d,  d = b (momentum)
//   p = p - lr d
// If rounding makes the centered w negative, it is 0. State: square_avg (v), grad_avg (a) if centered,
// momentum_buffer (b) if momentum > 0.
template <class S>
class RmsProp final : public ConfiguredOptimizer<S, RmsPropOptions> {
 public:
  using ConfiguredOptimizer<S, RmsPropOptions>::ConfiguredOptimizer;

 private:
  void update(const RmsPropOptions& options, const ParameterUpdate<S>& u) override;
};

extern template class RmsProp<float>;
extern template class RmsProp<double>;

}  // namespace unroll
