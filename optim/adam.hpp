// Adam.
#pragma once

#include "optim/optimizer.hpp"

namespace unroll {

struct AdamOptions {
  static constexpr const char* kName = "Adam";
  double lr = 1e-3;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double eps = 1e-8;
  double weight_decay = 0.0;  // L2: added to the gradient, so the moments see it
  bool amsgrad = false;
  bool maximize = false;  // maximises: uses -g instead of g
  void check() const;
  std::vector<StateInfo> state() const;
};

// Adam (Kingma and Ba 2015; amsgrad: Reddi et al. 2018):
//   d = g + weight_decay p
//   m = beta1 m + (1 - beta1) d
//   v = beta2 v + (1 - beta2) d^2
//   w = max(w, v) (amsgrad), v (otherwise)
//   p = p - lr / (1 - beta1^t) m / (sqrt(w) / sqrt(1 - beta2^t) + eps)
// where t is the number of this parameter's updates. State: exp_avg (m), exp_avg_sq (v), max_exp_avg_sq (w).
template <class S>
class Adam final : public ConfiguredOptimizer<S, AdamOptions> {
 public:
  using ConfiguredOptimizer<S, AdamOptions>::ConfiguredOptimizer;

 private:
  void update(const AdamOptions& options, const ParameterUpdate<S>& u) override;
};

extern template class Adam<float>;
extern template class Adam<double>;

}  // namespace unroll
