// Stochastic gradient descent with momentum.
#pragma once

#include "optim/optimizer.hpp"

namespace unroll {

struct SgdOptions {
  static constexpr const char* kName = "Sgd";
  double lr = 0.01;
  double momentum = 0.0;
  double dampening = 0.0;
  double weight_decay = 0.0;
  bool nesterov = false;  // requires momentum > 0 and dampening = 0
  bool maximize = false;  // maximises: uses -g instead of g
  void check() const;
  std::vector<StateInfo> state() const;
};

// Gradient descent with momentum (Polyak 1964; nesterov: Sutskever et al. 2013):
//   d = g + weight_decay p
//   b = d at a parameter's first update, then momentum b + (1 - dampening) d
//   d = d + momentum b (nesterov), b (momentum), d (neither)
//   p = p - lr d
// State: momentum_buffer (b) if momentum > 0.
template <class S>
class Sgd final : public ConfiguredOptimizer<S, SgdOptions> {
 public:
  using ConfiguredOptimizer<S, SgdOptions>::ConfiguredOptimizer;

 private:
  void update(const SgdOptions& options, const ParameterUpdate<S>& u) override;
};

extern template class Sgd<float>;
extern template class Sgd<double>;

}  // namespace unroll
