// Adadelta.
#pragma once

#include "optim/optimizer.hpp"

namespace unroll {

struct AdadeltaOptions {
  double lr = 1.0;
  double rho = 0.9;
  double eps = 1e-6;
  double weight_decay = 0.0;
  bool maximize = false;  // maximises: uses -g instead of g
  void check() const;
  std::vector<StateInfo> state() const;
};

// Adadelta (Zeiler 2012):
//   d = g + weight_decay p
//   v = rho v + (1 - rho) d^2
//   u = sqrt(a + eps) / sqrt(v + eps) d
//   a = rho a + (1 - rho) u^2
//   p = p - lr u
// State: square_avg (v), acc_delta (a).
template <class S>
class Adadelta final : public ConfiguredOptimizer<S, AdadeltaOptions> {
 public:
  // Throws ArgumentError for options out of range.
  explicit Adadelta(const std::vector<Var<S>>& parameters, const AdadeltaOptions& options = {})
      : ConfiguredOptimizer<S, AdadeltaOptions>("Adadelta", parameters, options) {}
  // Takes several groups. Also throws ArgumentError for a parameter in two of them.
  explicit Adadelta(const std::vector<ParameterGroup<S, AdadeltaOptions>>& groups)
      : ConfiguredOptimizer<S, AdadeltaOptions>("Adadelta", groups) {}

 private:
  void update(const AdadeltaOptions& options, const ParameterUpdate<S>& u) override;
};

extern template class Adadelta<float>;
extern template class Adadelta<double>;

}  // namespace unroll
