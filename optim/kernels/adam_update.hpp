// The step of Adam and AdamW. Internal: included only by .cpp files.
#pragma once

#include <cmath>

#include "optim/kernels/updates.hpp"
#include "optim/optimizer.hpp"

namespace unroll::detail {

struct AdamStep {
  double lr, beta1, beta2, eps;
  double l2;      // weight decay added to the gradient
  double shrink;  // factor on the parameter before the step
  bool maximize;
};

// In PyTorch's order of operations. state: m, v, and with amsgrad the maximum of v so far.
template <class S>
void adam_update(const AdamStep& step, const ParameterUpdate<S>& u) {
  const auto t = static_cast<double>(u.step);
  const typename kernel::Updates<S>::Adam c{
      .rate = static_cast<S>(step.lr / (1.0 - std::pow(step.beta1, t))),
      .root_correction = static_cast<S>(std::sqrt(1.0 - std::pow(step.beta2, t))),
      .beta1 = static_cast<S>(step.beta1),
      .rest1 = static_cast<S>(1.0 - step.beta1),
      .beta2 = static_cast<S>(step.beta2),
      .rest2 = static_cast<S>(1.0 - step.beta2),
      .eps = static_cast<S>(step.eps),
      .l2 = static_cast<S>(step.l2),
      .shrink = static_cast<S>(step.shrink),
      .sign = S(step.maximize ? -1 : 1)};
  const std::size_t n = u.value.size();
  S *p = u.value.data(), *m = u.state[0].data(), *v = u.state[1].data();
  if (u.state.size() == 2) {
    kernel::updates<S>().adam(c, n, p, u.gradient.data(), m, v);
  } else {
    kernel::updates<S>().amsgrad(c, n, p, u.gradient.data(), m, v, u.state[2].data());
  }
}

}  // namespace unroll::detail
