#include "optim/adagrad.hpp"

#include <cmath>

#include "optim/options.hpp"

namespace unroll {

void AdagradOptions::check() const {
  require_at_least("Adagrad", "lr", lr, 0.0);
  require_at_least("Adagrad", "lr_decay", lr_decay, 0.0);
  require_at_least("Adagrad", "weight_decay", weight_decay, 0.0);
  require_at_least("Adagrad", "initial_accumulator_value", initial_accumulator_value, 0.0);
  require_at_least("Adagrad", "eps", eps, 0.0);
}

std::vector<StateInfo> AdagradOptions::state() const { return {{"sum", initial_accumulator_value}}; }

template <class S>
void Adagrad<S>::update(const AdagradOptions& options, const ParameterUpdate<S>& u) {
  const auto rate = static_cast<S>(options.lr / (1.0 + static_cast<double>(u.step - 1) * options.lr_decay));
  const auto decay = static_cast<S>(options.weight_decay), eps = static_cast<S>(options.eps);
  const auto sign = S(options.maximize ? -1 : 1);
  const std::size_t n = u.value.size();
  S* __restrict p = u.value.data();
  const S* __restrict g = u.gradient.data();
  S* __restrict s = u.state[0].data();
  for (std::size_t i = 0; i < n; ++i) {
    const S d = sign * g[i] + decay * p[i];
    s[i] += d * d;
    p[i] -= rate * d / (std::sqrt(s[i]) + eps);
  }
}

template class Adagrad<float>;
template class Adagrad<double>;

}  // namespace unroll
