#include "optim/adadelta.hpp"

#include "optim/kernels/updates.hpp"
#include "optim/options.hpp"

namespace unroll {

void AdadeltaOptions::check() const {
  require_at_least(kName, "lr", lr, 0.0);
  require_share(kName, "rho", rho);
  require_at_least(kName, "eps", eps, 0.0);
  require_at_least(kName, "weight_decay", weight_decay, 0.0);
}

std::vector<StateInfo> AdadeltaOptions::state() const { return {{"square_avg"}, {"acc_delta"}}; }

template <class S>
void Adadelta<S>::update(const AdadeltaOptions& options, const ParameterUpdate<S>& u) {
  kernel::updates<S>().adadelta({.lr = static_cast<S>(options.lr),
                                 .eps = static_cast<S>(options.eps),
                                 .decay = static_cast<S>(options.weight_decay),
                                 .sign = S(options.maximize ? -1 : 1),
                                 .rho = static_cast<S>(options.rho),
                                 .rest = static_cast<S>(1.0 - options.rho)},
                                u.value.size(), u.value.data(), u.gradient.data(), u.state[0].data(),
                                u.state[1].data());
}

template class Adadelta<float>;
template class Adadelta<double>;

}  // namespace unroll
