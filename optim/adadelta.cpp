#include "optim/adadelta.hpp"

#include <cmath>

#include "optim/options.hpp"

namespace unroll {

void AdadeltaOptions::check() const {
  require_at_least("Adadelta", "lr", lr, 0.0);
  require_share("Adadelta", "rho", rho);
  require_at_least("Adadelta", "eps", eps, 0.0);
  require_at_least("Adadelta", "weight_decay", weight_decay, 0.0);
}

std::vector<StateInfo> AdadeltaOptions::state() const { return {{"square_avg"}, {"acc_delta"}}; }

template <class S>
void Adadelta<S>::update(const AdadeltaOptions& options, const ParameterUpdate<S>& u) {
  const auto lr = static_cast<S>(options.lr), eps = static_cast<S>(options.eps);
  const auto decay = static_cast<S>(options.weight_decay), sign = S(options.maximize ? -1 : 1);
  const auto rho = static_cast<S>(options.rho), rest = static_cast<S>(1.0 - options.rho);
  const std::size_t n = u.value.size();
  S* __restrict p = u.value.data();
  const S* __restrict g = u.gradient.data();
  S* __restrict v = u.state[0].data();
  S* __restrict a = u.state[1].data();
  for (std::size_t i = 0; i < n; ++i) {
    const S d = sign * g[i] + decay * p[i];
    v[i] = rho * v[i] + rest * d * d;
    const S change = std::sqrt(a[i] + eps) / std::sqrt(v[i] + eps) * d;
    a[i] = rho * a[i] + rest * change * change;
    p[i] -= lr * change;
  }
}

template class Adadelta<float>;
template class Adadelta<double>;

}  // namespace unroll
