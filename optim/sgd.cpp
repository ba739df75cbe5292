#include "optim/sgd.hpp"

#include "framework/errors.hpp"
#include "optim/kernels/updates.hpp"
#include "optim/options.hpp"

namespace unroll {

void SgdOptions::check() const {
  require_at_least(kName, "lr", lr, 0.0);
  require_at_least(kName, "momentum", momentum, 0.0);
  require_at_least(kName, "weight_decay", weight_decay, 0.0);
  require_share(kName, "dampening", dampening);
  if (nesterov && (momentum == 0.0 || dampening != 0.0)) {
    throw ArgumentError("[Sgd] nesterov: needs momentum > 0 and dampening = 0");
  }
}

std::vector<StateInfo> SgdOptions::state() const {
  if (momentum == 0.0) return {};
  return {{"momentum_buffer"}};
}

template <class S>
void Sgd<S>::update(const SgdOptions& options, const ParameterUpdate<S>& u) {
  const bool first = u.step == 1;
  const auto momentum = static_cast<S>(options.momentum);
  const typename kernel::Updates<S>::Sgd c{.lr = static_cast<S>(options.lr),
                                           .decay = static_cast<S>(options.weight_decay),
                                           .sign = S(options.maximize ? -1 : 1),
                                           .momentum = momentum,
                                           .keep = first ? S(0) : momentum,
                                           .take = first ? S(1) : static_cast<S>(1.0 - options.dampening)};
  const std::size_t n = u.value.size();
  S* p = u.value.data();
  const S* g = u.gradient.data();
  const auto& loops = kernel::updates<S>();
  if (u.state.empty()) {
    loops.sgd(c, n, p, g);
  } else {
    (options.nesterov ? loops.sgd_nesterov : loops.sgd_momentum)(c, n, p, g, u.state[0].data());
  }
}

template class Sgd<float>;
template class Sgd<double>;

}  // namespace unroll
