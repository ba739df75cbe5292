#include "optim/sgd.hpp"

#include "framework/errors.hpp"
#include "optim/options.hpp"

namespace unroll {

void SgdOptions::check() const {
  require_at_least("Sgd", "lr", lr, 0.0);
  require_at_least("Sgd", "momentum", momentum, 0.0);
  require_at_least("Sgd", "weight_decay", weight_decay, 0.0);
  require_share("Sgd", "dampening", dampening);
  if (nesterov && (momentum == 0.0 || dampening != 0.0)) {
    throw ArgumentError("[Sgd] nesterov want momentum > 0 and dampening = 0, got others");
  }
}

std::vector<StateInfo> SgdOptions::state() const {
  if (momentum == 0.0) return {};
  return {{"momentum_buffer"}};
}

template <class S>
void Sgd<S>::update(const SgdOptions& options, const ParameterUpdate<S>& u) {
  const auto lr = static_cast<S>(options.lr);
  const auto decay = static_cast<S>(options.weight_decay), sign = S(options.maximize ? -1 : 1);
  const std::size_t n = u.value.size();
  S* __restrict p = u.value.data();
  const S* __restrict g = u.gradient.data();
  if (u.state.empty()) {
    for (std::size_t i = 0; i < n; ++i) p[i] -= lr * (sign * g[i] + decay * p[i]);
    return;
  }
  S* __restrict b = u.state[0].data();
  const auto momentum = static_cast<S>(options.momentum);
  const S keep = u.step == 1 ? S(0) : momentum;
  const S take = u.step == 1 ? S(1) : static_cast<S>(1.0 - options.dampening);
  if (options.nesterov) {
    for (std::size_t i = 0; i < n; ++i) {
      const S d = sign * g[i] + decay * p[i];
      b[i] = keep * b[i] + take * d;
      p[i] -= lr * (d + momentum * b[i]);
    }
  } else {
    for (std::size_t i = 0; i < n; ++i) {
      const S d = sign * g[i] + decay * p[i];
      b[i] = keep * b[i] + take * d;
      p[i] -= lr * b[i];
    }
  }
}

template class Sgd<float>;
template class Sgd<double>;

}  // namespace unroll
