// Adadelta.
#pragma once

#include "optim/optimizer.hpp"

namespace unroll {

struct AdadeltaOptions {
  static constexpr const char* kName = "Adadelta";
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
  using ConfiguredOptimizer<S, AdadeltaOptions>::ConfiguredOptimizer;

 private:
  void update(const AdadeltaOptions& options, const ParameterUpdate<S>& u) override;
};

extern template class Adadelta<float>;
extern template class Adadelta<double>;

}  // namespace unroll
