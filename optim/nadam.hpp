// NAdam: Adam with Nesterov's momentum.
#pragma once

#include "optim/optimizer.hpp"

namespace unroll {

struct NAdamOptions {
  static constexpr const char* kName = "NAdam";
  double lr = 2e-3;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double eps = 1e-8;
  double weight_decay = 0.0;  // L2: added to the gradient, so the moments see it
  double momentum_decay = 4e-3;
  void check() const;
  std::vector<StateInfo> state() const;
};

// Adam with Nesterov momentum (Dozat 2016):
//   d = g + weight_decay p
//   mu(t) = beta1 (1 - 0.96^(t momentum_decay) / 2)
//   m = beta1 m + (1 - beta1) d
//   v = beta2 v + (1 - beta2) d^2
//   n = (1 - mu(t)) d / (1 - mu(1)...mu(t)) + mu(t+1) m / (1 - mu(1)...mu(t+1))
//   p = p - lr n / (sqrt(v / (1 - beta2^t)) + eps)
// where t is the number of this parameter's updates. State: exp_avg (m), exp_avg_sq (v), mu_product
// (mu(1)...mu(t), a scalar). PyTorch 1.13 computes this with foreach=True; its single-tensor loop multiplies
// mu(t) into the last product twice, unlike its documentation and later versions.
template <class S>
class NAdam final : public ConfiguredOptimizer<S, NAdamOptions> {
 public:
  using ConfiguredOptimizer<S, NAdamOptions>::ConfiguredOptimizer;

 private:
  void update(const NAdamOptions& options, const ParameterUpdate<S>& u) override;
};

extern template class NAdam<float>;
extern template class NAdam<double>;

}  // namespace unroll
