#include "optim/adam.hpp"

#include "optim/kernels/adam_update.hpp"
#include "optim/options.hpp"

namespace unroll {

void AdamOptions::check() const {
  require_at_least(kName, "lr", lr, 0.0);
  require_fraction(kName, "beta1", beta1);
  require_fraction(kName, "beta2", beta2);
  require_at_least(kName, "eps", eps, 0.0);
  require_at_least(kName, "weight_decay", weight_decay, 0.0);
}

std::vector<StateInfo> AdamOptions::state() const {
  std::vector<StateInfo> kept{{"exp_avg"}, {"exp_avg_sq"}};
  if (amsgrad) kept.push_back({"max_exp_avg_sq"});
  return kept;
}

template <class S>
void Adam<S>::update(const AdamOptions& options, const ParameterUpdate<S>& u) {
  detail::adam_update({options.lr, options.beta1, options.beta2, options.eps, /*l2=*/options.weight_decay,
                       /*shrink=*/1.0, options.maximize},
                      u);
}

template class Adam<float>;
template class Adam<double>;

}  // namespace unroll
