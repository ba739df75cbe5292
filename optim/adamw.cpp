#include "optim/adamw.hpp"

#include "optim/kernels/adam_update.hpp"
#include "optim/options.hpp"

namespace unroll {

void AdamWOptions::check() const {
  require_at_least(kName, "lr", lr, 0.0);
  require_fraction(kName, "beta1", beta1);
  require_fraction(kName, "beta2", beta2);
  require_at_least(kName, "eps", eps, 0.0);
  require_at_least(kName, "weight_decay", weight_decay, 0.0);
}

std::vector<StateInfo> AdamWOptions::state() const {
  std::vector<StateInfo> kept{{"exp_avg"}, {"exp_avg_sq"}};
  if (amsgrad) kept.push_back({"max_exp_avg_sq"});
  return kept;
}

template <class S>
void AdamW<S>::update(const AdamWOptions& options, const ParameterUpdate<S>& u) {
  detail::adam_update({options.lr, options.beta1, options.beta2, options.eps, /*l2=*/0.0,
                       /*shrink=*/1.0 - options.lr * options.weight_decay, options.maximize},
                      u);
}

template class AdamW<float>;
template class AdamW<double>;

}  // namespace unroll
