#include "optim/nadam.hpp"

#include <cmath>
#include <limits>

#include "optim/kernels/updates.hpp"
#include "optim/options.hpp"

namespace unroll {

void NAdamOptions::check() const {
  require_at_least(kName, "lr", lr, 0.0);
  require_fraction(kName, "beta1", beta1);
  require_fraction(kName, "beta2", beta2);
  require_at_least(kName, "eps", eps, 0.0);
  require_at_least(kName, "weight_decay", weight_decay, 0.0);
  require_at_least(kName, "momentum_decay", momentum_decay, 0.0);
}

std::vector<StateInfo> NAdamOptions::state() const {
  return {{"exp_avg"}, {"exp_avg_sq"}, {.name = "mu_product", .initial = 1.0, .scalar = true}};
}

template <class S>
void NAdam<S>::update(const NAdamOptions& options, const ParameterUpdate<S>& u) {
  const auto t = static_cast<double>(u.step);
  const auto mu = [&](double step) {
    return options.beta1 * (1.0 - 0.5 * std::pow(0.96, step * options.momentum_decay));
  };
  S& kept_product = *u.state[2].data();
  const double product = static_cast<double>(kept_product) * mu(t);
  // As in the loops: does not stay subnormal for ever.
  kept_product =
      product < static_cast<double>(std::numeric_limits<S>::min()) ? S(0) : static_cast<S>(product);
  kernel::updates<S>().nadam(
      {.rate_now = static_cast<S>(options.lr * (1.0 - mu(t)) / (1.0 - product)),
       .rate_next = static_cast<S>(options.lr * mu(t + 1.0) / (1.0 - product * mu(t + 1.0))),
       .root_correction = static_cast<S>(std::sqrt(1.0 - std::pow(options.beta2, t))),
       .beta1 = static_cast<S>(options.beta1),
       .rest1 = static_cast<S>(1.0 - options.beta1),
       .beta2 = static_cast<S>(options.beta2),
       .rest2 = static_cast<S>(1.0 - options.beta2),
       .eps = static_cast<S>(options.eps),
       .decay = static_cast<S>(options.weight_decay)},
      u.value.size(), u.value.data(), u.gradient.data(), u.state[0].data(), u.state[1].data());
}

template class NAdam<float>;
template class NAdam<double>;

}  // namespace unroll
