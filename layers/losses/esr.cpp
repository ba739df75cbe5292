#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <utility>
#include <vector>

#include "framework/errors.hpp"
#include "framework/ops.hpp"
#include "layers/losses/reduce.hpp"

namespace unroll {
namespace {

void check_options(const char* function, const EsrOptions& options) {
  const auto check = [&](const char* name, double value, double most, const char* range) {
    if (value >= 0.0 && value <= most) return;
    throw ArgumentError(fmt::format("[{}] {}: expected {}, got {}", function, name, range, value));
  };
  check("pre_emphasis", options.pre_emphasis, 1.0, "0..1");
  check("dc", options.dc, std::numeric_limits<double>::max(), "a number >= 0");
}

// v_t - p v_{t-1} along axis 0.
template <class S>
Var<S> emphasised(const Var<S>& v, double p) {
  const auto steps = static_cast<Index>(v.shape(0));
  if (p == 0.0 || steps < 2) return v;
  return concat<S>({slice(v, 0, {0, 1}), slice(v, 0, {1, steps}) - p * slice(v, 0, {0, steps - 1})}, 0);
}

template <class S>
Var<S> energy(const Var<S>& v, const std::vector<Index>& lengths) {
  return masked_sum(square(v), lengths);
}

}  // namespace

template <class S>
Var<S> esr_loss(const Var<S>& prediction, const Var<S>& target, const EsrOptions& options) {
  check_options("esr_loss", options);
  detail::check_same_shape("esr_loss", prediction.shape(), target.shape());
  const double p = options.pre_emphasis;
  const std::vector<Index>& lengths = options.lengths;
  const Var<S> error = prediction - target;
  const Var<S> ratio = energy(emphasised(error, p), lengths) / energy(emphasised(target, p), lengths);
  if (options.dc == 0.0) return ratio;
  // n mean^2 = sum^2 / n
  Tensor<S> inverse = ones<S>({error.shape(1)});
  for (std::size_t b = 0; b < inverse.size(); ++b) {
    const double steps =
        static_cast<double>(lengths.empty() ? static_cast<Index>(error.shape(0)) : lengths[b]);
    inverse.data()[b] = static_cast<S>(1.0 / std::max(steps, 1.0));
  }
  Shape shape(error.dimension() - 1, 1);
  shape[0] = inverse.size();
  inverse.reshape(shape);
  const Var<S> offset = sum(square(masked_sum_over_time(error, lengths)) * Var<S>(std::move(inverse)));
  return ratio + options.dc * (offset / energy(target, lengths));
}

template <class S>
double esr_energy(const Tensor<S>& target, const EsrOptions& options) {
  check_options("esr_energy", options);
  const NoGrad constant;
  return static_cast<double>(
      energy(emphasised(Var<S>(target), options.pre_emphasis), options.lengths).item());
}

#define UNROLL_INSTANTIATE(S)                                                \
  template Var<S> esr_loss(const Var<S>&, const Var<S>&, const EsrOptions&); \
  template double esr_energy(const Tensor<S>&, const EsrOptions&);
UNROLL_INSTANTIATE(float)
UNROLL_INSTANTIATE(double)
#undef UNROLL_INSTANTIATE

}  // namespace unroll
