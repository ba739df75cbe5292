#include "optim/adagrad.hpp"

#include "optim/kernels/updates.hpp"
#include "optim/options.hpp"

namespace unroll {

void AdagradOptions::check() const {
  require_at_least(kName, "lr", lr, 0.0);
  require_at_least(kName, "lr_decay", lr_decay, 0.0);
  require_at_least(kName, "weight_decay", weight_decay, 0.0);
  require_at_least(kName, "initial_accumulator_value", initial_accumulator_value, 0.0);
  require_at_least(kName, "eps", eps, 0.0);
}

std::vector<StateInfo> AdagradOptions::state() const { return {{"sum", initial_accumulator_value}}; }

template <class S>
void Adagrad<S>::update(const AdagradOptions& options, const ParameterUpdate<S>& u) {
  const double rate = options.lr / (1.0 + static_cast<double>(u.step - 1) * options.lr_decay);
  kernel::updates<S>().adagrad({.rate = static_cast<S>(rate),
                                .decay = static_cast<S>(options.weight_decay),
                                .eps = static_cast<S>(options.eps),
                                .sign = S(options.maximize ? -1 : 1)},
                               u.value.size(), u.value.data(), u.gradient.data(), u.state[0].data());
}

template class Adagrad<float>;
template class Adagrad<double>;

}  // namespace unroll
