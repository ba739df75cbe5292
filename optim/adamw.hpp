// AdamW: Adam with decoupled weight decay.
#pragma once

#include "optim/optimizer.hpp"

namespace unroll {

struct AdamWOptions {
  static constexpr const char* kName = "AdamW";
  double lr = 1e-3;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double eps = 1e-8;
  double weight_decay = 1e-2;  // decoupled: shrinks the parameter; the moments do not see it
  bool amsgrad = false;
  bool maximize = false;  // maximises: uses -g instead of g
  void check() const;
  std::vector<StateInfo> state() const;
};

// Adam with decoupled weight decay (Loshchilov and Hutter 2019):
//   p = p (1 - lr weight_decay), then Adam's step with the unchanged gradient
// State: exp_avg, exp_avg_sq, max_exp_avg_sq (amsgrad).
template <class S>
class AdamW final : public ConfiguredOptimizer<S, AdamWOptions> {
 public:
  using ConfiguredOptimizer<S, AdamWOptions>::ConfiguredOptimizer;

 private:
  void update(const AdamWOptions& options, const ParameterUpdate<S>& u) override;
};

extern template class AdamW<float>;
extern template class AdamW<double>;

}  // namespace unroll
