// The optimizers' loops over the n elements of one parameter. simd/updates.cpp has the formulas. Internal:
// included only by .cpp files.
#pragma once

#include <cstddef>

#include "framework/kernels/isa.hpp"

namespace unroll::kernel {

// p is the parameter and g its gradient; the optimizer's state follows. The arrays do not overlap.
template <class S>
struct Updates {
  struct Sgd {
    S lr, decay, sign, momentum, keep, take;
  };
  void (*sgd)(const Sgd& c, std::size_t n, S* p, const S* g) noexcept;
  void (*sgd_momentum)(const Sgd& c, std::size_t n, S* p, const S* g, S* b) noexcept;
  void (*sgd_nesterov)(const Sgd& c, std::size_t n, S* p, const S* g, S* b) noexcept;

  struct Adam {
    S rate, root_correction, beta1, rest1, beta2, rest2, eps, l2, shrink, sign;
  };
  void (*adam)(const Adam& c, std::size_t n, S* p, const S* g, S* m, S* v) noexcept;
  void (*amsgrad)(const Adam& c, std::size_t n, S* p, const S* g, S* m, S* v, S* largest) noexcept;

  struct NAdam {
    S rate_now, rate_next, root_correction, beta1, rest1, beta2, rest2, eps, decay;
  };
  void (*nadam)(const NAdam& c, std::size_t n, S* p, const S* g, S* m, S* v) noexcept;

  // a (mean of the gradients) and b (momentum) are null if not kept.
  struct RmsProp {
    S lr, eps, decay, momentum, alpha, rest, sign;
  };
  void (*rmsprop)(const RmsProp& c, std::size_t n, S* p, const S* g, S* v, S* a, S* b) noexcept;

  struct Adagrad {
    S rate, decay, eps, sign;
  };
  void (*adagrad)(const Adagrad& c, std::size_t n, S* p, const S* g, S* s) noexcept;

  struct Adadelta {
    S lr, eps, decay, sign, rho, rest;
  };
  void (*adadelta)(const Adadelta& c, std::size_t n, S* p, const S* g, S* v, S* a) noexcept;

  // Return sums in double: of x^2 and of |x|.
  double (*sum_of_squares)(const S* x, std::size_t n) noexcept;
  double (*sum_of_sizes)(const S* x, std::size_t n) noexcept;
};
UNROLL_SIMD_TABLE(Updates, updates)

}  // namespace unroll::kernel
