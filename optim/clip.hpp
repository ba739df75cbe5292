// Clipping gradients between backward() and step().
#pragma once

#include <vector>

#include "framework/var.hpp"

namespace unroll {

// The L2 norm of all gradients together, sqrt(sum over parameters of sum g^2), summed in double; a parameter
// listed twice counts once, one without a gradient not at all. Throws TapeError when none has a gradient,
// NonfiniteError naming the parameter when the norm is not finite.
template <class S>
double grad_norm(const std::vector<Var<S>>& parameters);

// Scales all gradients by min(1, max_norm / (norm + 1e-6)) and returns their norm before (Pascanu et al.
// 2013). Throws as grad_norm() does, and ArgumentError unless max_norm > 0.
template <class S>
double clip_grad_norm(const std::vector<Var<S>>& parameters, double max_norm);

// Moves every element of every gradient into [-limit, limit]; NaN stays NaN. Throws TapeError when no
// parameter has a gradient, ArgumentError unless limit > 0.
template <class S>
void clip_grad_value(const std::vector<Var<S>>& parameters, double limit);

}  // namespace unroll
