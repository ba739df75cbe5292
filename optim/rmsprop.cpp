#include "optim/rmsprop.hpp"

#include "optim/kernels/updates.hpp"
#include "optim/options.hpp"

namespace unroll {

void RmsPropOptions::check() const {
  require_at_least(kName, "lr", lr, 0.0);
  require_fraction(kName, "alpha", alpha);
  require_at_least(kName, "eps", eps, 0.0);
  require_at_least(kName, "weight_decay", weight_decay, 0.0);
  require_at_least(kName, "momentum", momentum, 0.0);
}

std::vector<StateInfo> RmsPropOptions::state() const {
  std::vector<StateInfo> kept{{"square_avg"}};
  if (centered) kept.push_back({"grad_avg"});
  if (momentum > 0.0) kept.push_back({"momentum_buffer"});
  return kept;
}

template <class S>
void RmsProp<S>::update(const RmsPropOptions& options, const ParameterUpdate<S>& u) {
  const typename kernel::Updates<S>::RmsProp c{.lr = static_cast<S>(options.lr),
                                               .eps = static_cast<S>(options.eps),
                                               .decay = static_cast<S>(options.weight_decay),
                                               .momentum = static_cast<S>(options.momentum),
                                               .alpha = static_cast<S>(options.alpha),
                                               .rest = static_cast<S>(1.0 - options.alpha),
                                               .sign = S(options.maximize ? -1 : 1)};
  S* a = options.centered ? u.state[1].data() : nullptr;
  S* b = options.momentum > 0.0 ? u.state.back().data() : nullptr;
  kernel::updates<S>().rmsprop(c, u.value.size(), u.value.data(), u.gradient.data(), u.state[0].data(), a, b);
}

template class RmsProp<float>;
template class RmsProp<double>;

}  // namespace unroll
