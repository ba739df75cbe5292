#include "optim/rmsprop.hpp"

#include <algorithm>
#include <cmath>
#include <type_traits>

#include "optim/options.hpp"

namespace unroll {

void RmsPropOptions::check() const {
  require_at_least("RmsProp", "lr", lr, 0.0);
  require_fraction("RmsProp", "alpha", alpha);
  require_at_least("RmsProp", "eps", eps, 0.0);
  require_at_least("RmsProp", "weight_decay", weight_decay, 0.0);
  require_at_least("RmsProp", "momentum", momentum, 0.0);
}

std::vector<StateInfo> RmsPropOptions::state() const {
  std::vector<StateInfo> kept{{"square_avg"}};
  if (centered) kept.push_back({"grad_avg"});
  if (momentum > 0.0) kept.push_back({"momentum_buffer"});
  return kept;
}

namespace {

// Compiled once per combination, so that the loop holds no branch; a and b are null where they are not kept.
template <class S, bool kCentered, bool kMomentum>
void rmsprop_update(const RmsPropOptions& options, const ParameterUpdate<S>& u, S* __restrict a,
                    S* __restrict b) {
  const auto lr = static_cast<S>(options.lr), eps = static_cast<S>(options.eps);
  const auto decay = static_cast<S>(options.weight_decay), momentum = static_cast<S>(options.momentum);
  const auto alpha = static_cast<S>(options.alpha), rest = static_cast<S>(1.0 - options.alpha);
  const auto sign = S(options.maximize ? -1 : 1);
  const std::size_t n = u.value.size();
  S* __restrict p = u.value.data();
  const S* __restrict g = u.gradient.data();
  S* __restrict v = u.state[0].data();
  for (std::size_t i = 0; i < n; ++i) {
    const S d = sign * g[i] + decay * p[i];
    v[i] = alpha * v[i] + rest * d * d;
    S w = v[i];
    if constexpr (kCentered) {
      a[i] = alpha * a[i] + rest * d;
      w = std::max(w - a[i] * a[i], S(0));
    }
    const S scale = std::sqrt(w) + eps;
    if constexpr (kMomentum) {
      b[i] = momentum * b[i] + d / scale;
      p[i] -= lr * b[i];
    } else {
      p[i] -= lr * d / scale;
    }
  }
}

}  // namespace

template <class S>
void RmsProp<S>::update(const RmsPropOptions& options, const ParameterUpdate<S>& u) {
  const bool momentum = options.momentum > 0.0;
  S* a = options.centered ? u.state[1].data() : nullptr;
  S* b = momentum ? u.state.back().data() : nullptr;
  if (options.centered) {
    momentum ? rmsprop_update<S, true, true>(options, u, a, b)
             : rmsprop_update<S, true, false>(options, u, a, b);
  } else {
    momentum ? rmsprop_update<S, false, true>(options, u, a, b)
             : rmsprop_update<S, false, false>(options, u, a, b);
  }
}

template class RmsProp<float>;
template class RmsProp<double>;

}  // namespace unroll
