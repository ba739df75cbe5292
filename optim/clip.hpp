// Clipping gradients between backward() and step().
#pragma once

#include <vector>

#include "framework/var.hpp"

namespace unroll {

// The norm of all gradients together, (sum over parameters of sum |g|^p)^(1/p) with p = norm_type, max |g|
// for p = infinity; summed in double. A parameter listed twice counts once, one without a gradient not at
// all. Throws TapeError when none has a gradient, ArgumentError unless norm_type > 0, NonfiniteError naming
// the parameter when the norm is not finite.
template <class S>
double grad_norm(const std::vector<Var<S>>& parameters, double norm_type = 2.0);

struct ClipNormOptions {
  double norm_type = 2.0;  // > 0, infinity included
  // Else an infinite norm makes finite gradients 0 and the others NaN, and a NaN makes all NaN.
  bool error_if_nonfinite = true;
};

// Scales all gradients by min(1, max_norm / (norm + 1e-6)) and returns their norm before (Pascanu et al.
// 2013): clip_grad_norm(adam.parameters(), 1.0, {.norm_type = 1.0}). Throws as grad_norm() does, and
// ArgumentError unless max_norm > 0.
template <class S>
double clip_grad_norm(const std::vector<Var<S>>& parameters, double max_norm,
                      const ClipNormOptions& options = {});

// Moves every element of every gradient into [-limit, limit]; NaN stays NaN. Throws TapeError when no
// parameter has a gradient, ArgumentError unless limit > 0.
template <class S>
void clip_grad_value(const std::vector<Var<S>>& parameters, double limit);

}  // namespace unroll
