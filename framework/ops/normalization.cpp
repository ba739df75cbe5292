#include <fmt/format.h>

#include <array>
#include <memory>

#include "framework/errors.hpp"
#include "framework/kernels/axis_kernels.hpp"
#include "framework/kernels/pointwise.hpp"
#include "framework/ops.hpp"
#include "framework/ops/chain.hpp"
#include "framework/program/trace.hpp"
#include "framework/random.hpp"

namespace unroll {
namespace {

using detail::chain;

// One byte per element, 0 or 1.
using Kept = Tensor<std::uint8_t>;

// x * scale where keep is true, else 0 (also where x is NaN or infinite). Linear, so it is its own gradient.
template <class S>
Var<S> keep_scaled(const Var<S>& x, const std::shared_ptr<const Kept>& keep, S scale) {
  Var<S> y = Var<S>::uninitialized(x.shape());
  kernel::pointwise<S>().keep_scaled(x.elements(), keep->data(), y.raw(), x.size(), scale);
  return record("dropout", std::move(y),
                input(x, [keep, scale](const Var<S>& g) { return keep_scaled(g, keep, scale); }));
}

// z = (x - mean) r and r = 1 / sqrt(var + eps), row by row, as one op with two outputs. With upstream u of z
// and v of r, and C elements per row:
//   dx = r (u - mean(u) - z mean(u z)) - v r^2 z / C
// which needs only z and r and is written with ops, so that it can be differentiated again.
template <class S>
Var<S> standardize(const Var<S>& x, double eps) {
  const std::size_t n = x.shape().back();
  Shape row_shape = x.shape();
  row_shape.back() = 1;
  std::array result{Var<S>::uninitialized(x.shape()), Var<S>::uninitialized(row_shape)};
  const S share = S(1) / static_cast<S>(n);
  kernel::axis_kernels<S>().standardize(x.elements(), x.size() / n, n, static_cast<S>(eps), result[0].raw(),
                                        result[1].raw());
  for (std::size_t k = 0; k < 2; ++k) detail::trace_standardize(x, result[k], k, static_cast<S>(eps));
  record_multi_output<S>("layer_norm", result, std::span(&x, 1),
                         [z = result[0], r = result[1], share](const VarList<S>& upstream, const NeedsGrad&) {
                           const Var<S>& u = upstream[0];
                           const Var<S>& v = upstream[1];
                           Var<S> dx;
                           if (u.defined()) {
                             const Var<S> along_z = chain(mean(chain(u, z), {-1}, true), z);
                             dx = chain(u - mean(u, {-1}, true) - along_z, r);
                           }
                           if (v.defined()) {
                             const Var<S> through_r =
                                 chain(chain(v, square(r)), z) * -static_cast<double>(share);
                             dx = dx.defined() ? dx + through_r : through_r;
                           }
                           return VarList<S>{dx};
                         });
  return std::move(result.front());
}

}  // namespace

template <class S>
Var<S> dropout(const Var<S>& x, double p, Rng& rng) {
  if (!(p >= 0.0 && p <= 1.0))
    throw ArgumentError(fmt::format("[dropout] p: expected 0 <= p <= 1, got {}", p));
  if (p == 0.0) return x;
  Kept keep(x.shape());
  std::uint8_t* k = keep.data();
  // 32 bits decide per element: p is accurate to 2^-32, and one random word serves two.
  const auto threshold = static_cast<std::uint64_t>(p * 0x1p32);
  const std::size_t n = keep.size();
  for (std::size_t i = 0; i + 1 < n; i += 2) {
    const std::uint64_t word = rng.next();
    k[i] = (word >> 32) >= threshold;
    k[i + 1] = (word & 0xffffffffU) >= threshold;
  }
  if (n % 2 != 0) k[n - 1] = (rng.next() >> 32) >= threshold;
  const double scale = p == 1.0 ? 0.0 : 1.0 / (1.0 - p);
  return keep_scaled(x, std::make_shared<const Kept>(std::move(keep)), static_cast<S>(scale));
}

template <class S>
Var<S> layer_norm(const Var<S>& x, const Var<S>& weight, const Var<S>& bias, double eps) {
  if (x.dimension() == 0 || x.shape().back() == 0) {
    throw ShapeError(
        fmt::format("[layer_norm] x: expected (...,C) with C >= 1, got {}", to_string(x.shape())));
  }
  if (!(eps >= 0.0)) throw ArgumentError(fmt::format("[layer_norm] eps: expected >= 0, got {}", eps));
  const Shape features{x.shape().back()};
  if (weight.defined() && weight.shape() != features) {
    throw ShapeError(fmt::format("[layer_norm] weight: expected {} (the last axis of x {}), got {}",
                                 to_string(features), to_string(x.shape()), to_string(weight.shape())));
  }
  if (bias.defined() && bias.shape() != features) {
    throw ShapeError(fmt::format("[layer_norm] bias: expected {} (the last axis of x {}), got {}",
                                 to_string(features), to_string(x.shape()), to_string(bias.shape())));
  }
  Var<S> y = standardize(x, eps);
  if (weight.defined()) y = y * weight;
  return bias.defined() ? y + bias : y;
}

#define UNROLL_INSTANTIATE(S)                           \
  template Var<S> dropout(const Var<S>&, double, Rng&); \
  template Var<S> layer_norm(const Var<S>&, const Var<S>&, const Var<S>&, double);
UNROLL_INSTANTIATE(float)
UNROLL_INSTANTIATE(double)
#undef UNROLL_INSTANTIATE

}  // namespace unroll
