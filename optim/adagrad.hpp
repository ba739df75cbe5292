// Adagrad.
#pragma once

#include "optim/optimizer.hpp"

namespace unroll {

struct AdagradOptions {
  static constexpr const char* kName = "Adagrad";
  double lr = 0.01;
  double lr_decay = 0.0;
  double weight_decay = 0.0;
  double initial_accumulator_value = 0.0;
  double eps = 1e-10;
  bool maximize = false;  // maximises: uses -g instead of g
  void check() const;
  std::vector<StateInfo> state() const;
};

// Adagrad (Duchi et al. 2011):
//   d = g + weight_decay p
//   s = s + d^2, from initial_accumulator_value
//   p = p - lr / (1 + (t - 1) lr_decay) d / (sqrt(s) + eps)
// where t is the number of this parameter's updates. State: sum (s).
template <class S>
class Adagrad final : public ConfiguredOptimizer<S, AdagradOptions> {
 public:
  using ConfiguredOptimizer<S, AdagradOptions>::ConfiguredOptimizer;

 private:
  void update(const AdagradOptions& options, const ParameterUpdate<S>& u) override;
};

extern template class Adagrad<float>;
extern template class Adagrad<double>;

}  // namespace unroll
