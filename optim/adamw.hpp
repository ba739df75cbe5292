// AdamW: Adam with decoupled weight decay.
#pragma once

#include "optim/optimizer.hpp"

namespace unroll {

struct AdamWOptions {
  double lr = 1e-3;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double eps = 1e-8;
  double weight_decay = 1e-2;  // decoupled: shrinks the parameter, not seen by the moments
  bool amsgrad = false;
  bool maximize = false;  // climb instead of descend: -g in place of g
  void check() const;
  std::vector<StateInfo> state() const;
};

//   p = p (1 - lr weight_decay), then Adam's step with the gradient as it is
// Loshchilov and Hutter 2019. State: exp_avg, exp_avg_sq, max_exp_avg_sq (amsgrad).
template <class S>
class AdamW final : public ConfiguredOptimizer<S, AdamWOptions> {
 public:
  // Throws ArgumentError for options out of range.
  explicit AdamW(const std::vector<Var<S>>& parameters, const AdamWOptions& options = {})
      : ConfiguredOptimizer<S, AdamWOptions>("AdamW", parameters, options) {}
  // Several groups. Throws ArgumentError for a parameter in two of them, too.
  explicit AdamW(const std::vector<ParameterGroup<S, AdamWOptions>>& groups)
      : ConfiguredOptimizer<S, AdamWOptions>("AdamW", groups) {}

 private:
  void update(const AdamWOptions& options, const ParameterUpdate<S>& u) override;
};

extern template class AdamW<float>;
extern template class AdamW<double>;

}  // namespace unroll
