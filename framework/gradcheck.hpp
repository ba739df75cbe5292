// Compares gradients with central differences: for ops, layers and losses, built-in or custom.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "framework/tape.hpp"

namespace unroll {

using GradcheckFunction = std::function<Var<double>(const std::vector<Var<double>>&)>;
using GradcheckFunctions = std::function<std::vector<Var<double>>(const std::vector<Var<double>>&)>;

struct GradcheckOptions {
  double step = 1e-6;  // an element x is moved by step * max(1, |x|) in both directions
  double atol = 1e-7;  // accepted: |analytic - numeric| <= atol + rtol * |numeric|
  double rtol = 1e-6;
  std::uint64_t seed = 1;  // of the upstream gradients
};

// The element with the largest disagreement: the first to look at if the check fails.
struct GradcheckReport {
  bool ok = true;
  double worst_error = 0.0;  // |analytic - numeric| there
  std::size_t input = 0;     // which input; gradgradcheck counts the upstream gradients after the inputs
  Shape position;            // of the element in that input
  double analytic = 0.0;
  double numeric = 0.0;
  std::string message;  // all of this in one sentence
  explicit operator bool() const noexcept { return ok; }
};

// Compares gradients() of f with central differences (f(x + h) - f(x - h)) / 2h in every element of every
// input, with random upstream gradients u: both are the derivative of sum(u * f(x)). Every input is a
// parameter; each evaluation has its own Tape. f must be smooth within h of the inputs and deterministic.
// Gradients that disagree or have the wrong shape are reported, not thrown; exceptions of f pass through.
// Throws ArgumentError for an empty function.
GradcheckReport gradcheck(const GradcheckFunction& f, std::vector<Tensor<double>> inputs,
                          const GradcheckOptions& options = {});
// Does the same for a function with several outputs.
GradcheckReport gradcheck(const GradcheckFunctions& f, std::vector<Tensor<double>> inputs,
                          const GradcheckOptions& options = {});

// Does the same for second derivatives: checks the function from inputs and upstream gradients to the
// gradients (computed with create_graph).
GradcheckReport gradgradcheck(const GradcheckFunction& f, std::vector<Tensor<double>> inputs,
                              const GradcheckOptions& options = {});
GradcheckReport gradgradcheck(const GradcheckFunctions& f, std::vector<Tensor<double>> inputs,
                              const GradcheckOptions& options = {});

}  // namespace unroll
