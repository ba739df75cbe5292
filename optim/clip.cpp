#include "optim/clip.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "framework/errors.hpp"
#include "framework/kernels/pointwise.hpp"
#include "optim/kernels/updates.hpp"
#include "optim/options.hpp"
#include "optim/parameter_list.hpp"

namespace unroll {
namespace {

template <class S>
std::vector<Var<S>> with_gradient(const char* where, const std::vector<Var<S>>& parameters) {
  std::vector<Var<S>> list = detail::distinct_parameters(where, parameters);
  std::erase_if(list, [](const Var<S>& p) { return !p.has_grad(); });
  if (list.empty()) {
    throw TapeError(fmt::format(
        "[{}] expected a gradient for at least one parameter, got none for any of {} (a gradient lives as "
        "long as the tape that computed it: clip after backward() and inside the tape's scope)",
        where, parameters.size()));
  }
  return list;
}

template <class S>
double sum_of_powers(const Tensor<S>& tensor, double p) {
  double sum = 0.0;
  for (const S value : tensor) sum += std::pow(std::abs(static_cast<double>(value)), p);
  return sum;
}

template <class S>
double largest_of(const Tensor<S>& tensor) {
  double largest = 0.0;
  for (const S value : tensor) {
    const double size = std::abs(static_cast<double>(value));
    if (!(size <= largest)) largest = size;  // also takes a NaN
    if (std::isnan(largest)) break;
  }
  return largest;
}

// Adds one more gradient to the sum of powers, or to the maximum.
template <class S>
double add_gradient(double total, const Tensor<S>& gradient, double p) {
  if (std::isinf(p)) {
    const double largest = largest_of(gradient);
    return largest <= total ? total : largest;
  }
  if (p == 2.0) return total + kernel::updates<S>().sum_of_squares(gradient.data(), gradient.size());
  if (p == 1.0) return total + kernel::updates<S>().sum_of_sizes(gradient.data(), gradient.size());
  return total + sum_of_powers(gradient, p);
}

double root_of(double total, double p) {
  if (std::isinf(p) || p == 1.0) return total;
  return p == 2.0 ? std::sqrt(total) : std::pow(total, 1.0 / p);
}

template <class S>
double norm_of(const char* where, const std::vector<Var<S>>& list, const ClipNormOptions& options) {
  const double p = options.norm_type;
  double total = 0.0;
  for (std::size_t i = 0; i < list.size(); ++i) {
    total = add_gradient(total, list[i].grad(), p);
    if (std::isfinite(total)) continue;
    if (options.error_if_nonfinite) {
      throw NonfiniteError(
          fmt::format("[{}] expected gradients with a finite norm, got {} at parameter {}, {} "
                      "(DetectNonfinite finds the op)",
                      where, root_of(total, p), i,
                      list[i].name().empty() ? "without a name" : fmt::format("'{}'", list[i].name())));
    }
    if (std::isnan(total)) break;  // no later gradient changes that
  }
  return root_of(total, p);
}

void check_norm_type(const char* where, double norm_type) {
  if (norm_type > 0.0) return;
  throw ArgumentError(
      fmt::format("[{}] norm_type: expected a number > 0 or infinity, got {}", where, norm_type));
}

}  // namespace

template <class S>
double grad_norm(const std::vector<Var<S>>& parameters, double norm_type) {
  check_norm_type("grad_norm", norm_type);
  return norm_of("grad_norm", with_gradient("grad_norm", parameters), {.norm_type = norm_type});
}

template <class S>
double clip_grad_norm(const std::vector<Var<S>>& parameters, double max_norm,
                      const ClipNormOptions& options) {
  check_norm_type("clip_grad_norm", options.norm_type);
  require_above("clip_grad_norm", "max_norm", max_norm, 0.0);
  std::vector<Var<S>> list = with_gradient("clip_grad_norm", parameters);
  const double norm = norm_of("clip_grad_norm", list, options);
  const double scale = max_norm / (norm + 1e-6);
  if (scale >= 1.0) return norm;
  for (Var<S>& p : list) {
    Tensor<S>& gradient = p.mutable_grad();
    kernel::pointwise<S>().times(gradient.data(), gradient.data(), gradient.size(), static_cast<S>(scale));
  }
  return norm;
}

template <class S>
void clip_grad_value(const std::vector<Var<S>>& parameters, double limit) {
  require_above("clip_grad_value", "limit", limit, 0.0);
  const auto high = static_cast<S>(limit);
  for (Var<S>& p : with_gradient("clip_grad_value", parameters)) {
    Tensor<S>& gradient = p.mutable_grad();
    kernel::pointwise<S>().clamp(gradient.data(), gradient.data(), gradient.size(), -high, high);
  }
}

#define UNROLL_INSTANTIATE(S)                                                                 \
  template double grad_norm(const std::vector<Var<S>>&, double);                              \
  template double clip_grad_norm(const std::vector<Var<S>>&, double, const ClipNormOptions&); \
  template void clip_grad_value(const std::vector<Var<S>>&, double);
UNROLL_INSTANTIATE(float)
UNROLL_INSTANTIATE(double)
#undef UNROLL_INSTANTIATE

}  // namespace unroll
