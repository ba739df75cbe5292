#include "optim/clip.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "framework/errors.hpp"
#include "optim/options.hpp"
#include "optim/parameter_list.hpp"

namespace unroll {
namespace {

template <class S>
std::vector<Var<S>> with_gradient(const char* where, const std::vector<Var<S>>& parameters) {
  std::vector<Var<S>> list = detail::distinct_parameters(where, parameters);
  std::erase_if(list, [](const Var<S>& p) { return !p.has_grad(); });
  if (list.empty()) {
    throw TapeError(
        fmt::format("[{}] want a gradient for at least one parameter, got none for any of {} (a gradient "
                    "lives as long as the "
                    "tape that computed it: clip after backward() and inside the tape's scope)",
                    where, parameters.size()));
  }
  return list;
}

// Eight sums side by side, so that the loop needs no reordering to use vectors.
template <class S>
double sum_of_squares(const Tensor<S>& tensor) {
  constexpr std::size_t kLanes = 8;
  double lane[kLanes] = {};
  const S* x = tensor.data();
  const std::size_t n = tensor.size();
  std::size_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    for (std::size_t k = 0; k < kLanes; ++k) {
      const auto value = static_cast<double>(x[i + k]);
      lane[k] += value * value;
    }
  }
  for (; i < n; ++i) {
    const auto value = static_cast<double>(x[i]);
    lane[0] += value * value;
  }
  double sum = 0.0;
  for (const double part : lane) sum += part;
  return sum;
}

template <class S>
double norm_of(const char* where, const std::vector<Var<S>>& list) {
  double total = 0.0;
  for (std::size_t i = 0; i < list.size(); ++i) {
    total += sum_of_squares(list[i].grad());
    if (!std::isfinite(total)) {
      throw NonfiniteError(fmt::format(
          "[{}] want gradients with a finite norm, got {} at parameter {}, {} (DetectNonfinite finds the op)",
          where, std::sqrt(total), i,
          list[i].name().empty() ? "without a name" : fmt::format("'{}'", list[i].name())));
    }
  }
  return std::sqrt(total);
}

}  // namespace

template <class S>
double grad_norm(const std::vector<Var<S>>& parameters) {
  return norm_of("grad_norm", with_gradient("grad_norm", parameters));
}

template <class S>
double clip_grad_norm(const std::vector<Var<S>>& parameters, double max_norm) {
  require_above("clip_grad_norm", "max_norm", max_norm, 0.0);
  std::vector<Var<S>> list = with_gradient("clip_grad_norm", parameters);
  const double norm = norm_of("clip_grad_norm", list);
  const double scale = max_norm / (norm + 1e-6);
  if (scale >= 1.0) return norm;
  for (Var<S>& p : list) {
    Tensor<S>& gradient = p.mutable_grad();
    S* g = gradient.data();
    for (std::size_t i = 0, n = gradient.size(); i < n; ++i) g[i] *= static_cast<S>(scale);
  }
  return norm;
}

template <class S>
void clip_grad_value(const std::vector<Var<S>>& parameters, double limit) {
  require_above("clip_grad_value", "limit", limit, 0.0);
  const auto high = static_cast<S>(limit);
  for (Var<S>& p : with_gradient("clip_grad_value", parameters)) {
    Tensor<S>& gradient = p.mutable_grad();
    S* g = gradient.data();
    for (std::size_t i = 0, n = gradient.size(); i < n; ++i) g[i] = std::clamp(g[i], -high, high);
  }
}

#define UNROLL_INSTANTIATE(S)                                         \
  template double grad_norm(const std::vector<Var<S>>&);              \
  template double clip_grad_norm(const std::vector<Var<S>>&, double); \
  template void clip_grad_value(const std::vector<Var<S>>&, double);
UNROLL_INSTANTIATE(float)
UNROLL_INSTANTIATE(double)
#undef UNROLL_INSTANTIATE

}  // namespace unroll
