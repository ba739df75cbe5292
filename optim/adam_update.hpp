// The step that Adam and AdamW share. Internal: included by .cpp files only.
#pragma once

#include <algorithm>
#include <cmath>

#include "optim/optimizer.hpp"

namespace unroll::detail {

struct AdamStep {
  double lr, beta1, beta2, eps;
  double l2;      // weight decay that goes through the moments
  double shrink;  // factor on the parameter before the step
  bool maximize;
};

// In PyTorch's order of operations. state: m, v, and with amsgrad the largest v so far.
template <class S>
void adam_update(const AdamStep& step, const ParameterUpdate<S>& u) {
  const auto t = static_cast<double>(u.step);
  const auto rate = static_cast<S>(step.lr / (1.0 - std::pow(step.beta1, t)));
  const auto root_correction = static_cast<S>(std::sqrt(1.0 - std::pow(step.beta2, t)));
  const auto beta1 = static_cast<S>(step.beta1), rest1 = static_cast<S>(1.0 - step.beta1);
  const auto beta2 = static_cast<S>(step.beta2), rest2 = static_cast<S>(1.0 - step.beta2);
  const auto eps = static_cast<S>(step.eps), l2 = static_cast<S>(step.l2),
             shrink = static_cast<S>(step.shrink), sign = S(step.maximize ? -1 : 1);
  const std::size_t n = u.value.size();
  S* __restrict p = u.value.data();
  const S* __restrict g = u.gradient.data();
  S* __restrict m = u.state[0].data();
  S* __restrict v = u.state[1].data();
  if (u.state.size() == 2) {
    for (std::size_t i = 0; i < n; ++i) {
      const S d = sign * g[i] + l2 * p[i];
      m[i] = beta1 * m[i] + rest1 * d;
      v[i] = beta2 * v[i] + rest2 * d * d;
      p[i] = shrink * p[i] - rate * m[i] / (std::sqrt(v[i]) / root_correction + eps);
    }
  } else {
    S* __restrict largest = u.state[2].data();
    for (std::size_t i = 0; i < n; ++i) {
      const S d = sign * g[i] + l2 * p[i];
      m[i] = beta1 * m[i] + rest1 * d;
      v[i] = beta2 * v[i] + rest2 * d * d;
      largest[i] = std::max(largest[i], v[i]);
      p[i] = shrink * p[i] - rate * m[i] / (std::sqrt(largest[i]) / root_correction + eps);
    }
  }
}

}  // namespace unroll::detail
