// Gradient clipping, between backward() and step().
#pragma once

#include <vector>

#include "framework/var.hpp"

namespace unroll {

// Returns the norm of all gradients together, (sum over parameters of sum |g|^p)^(1/p) with p = norm_type,
// max |g| for p = infinity; sums in double. A parameter listed twice counts once, one without a gradient does
// not count. Throws TapeError if no parameter has a gradient, ArgumentError unless norm_type > 0,
// NonfiniteError naming the parameter if the norm is not finite.
template <class S>
double grad_norm(const std::vector<Var<S>>& parameters, double norm_type = 2.0);

struct ClipNormOptions {
  double norm_type = 2.0;  // > 0, infinity included
  // Without this check an infinite norm turns finite gradients into 0 and the others into NaN; a NaN norm
  // turns all into NaN.
  bool error_if_nonfinite = true;
};

// Scales all gradients by min(1, max_norm / (norm + 1e-6)) and returns the norm before scaling (Pascanu et
// al. 2013): clip_grad_norm(adam.parameters(), 1.0, {.norm_type = 1.0}). Throws like grad_norm(), and
// ArgumentError unless max_norm > 0.
template <class S>
double clip_grad_norm(const std::vector<Var<S>>& parameters, double max_norm,
                      const ClipNormOptions& options = {});

// Clamps every element of every gradient to [-limit, limit]; NaN stays NaN. Throws TapeError if no parameter
// has a gradient, ArgumentError unless limit > 0.
template <class S>
void clip_grad_value(const std::vector<Var<S>>& parameters, double limit);

}  // namespace unroll
