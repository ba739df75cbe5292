// AdamW: Adam with decoupled weight decay.
#pragma once

#include "optim/optimizer.hpp"

namespace unroll {

struct AdamWOptions {
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
  // Throws ArgumentError for options out of range.
  explicit AdamW(const std::vector<Var<S>>& parameters, const AdamWOptions& options = {})
      : ConfiguredOptimizer<S, AdamWOptions>("AdamW", parameters, options) {}
  // Takes several groups. Also throws ArgumentError for a parameter in two of them.
  explicit AdamW(const std::vector<ParameterGroup<S, AdamWOptions>>& groups)
      : ConfiguredOptimizer<S, AdamWOptions>("AdamW", groups) {}

 private:
  void update(const AdamWOptions& options, const ParameterUpdate<S>& u) override;
};

extern template class AdamW<float>;
extern template class AdamW<double>;

}  // namespace unroll
