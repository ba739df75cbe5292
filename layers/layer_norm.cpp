#include "layers/layer_norm.hpp"

#include <fmt/format.h>

#include "framework/anomaly.hpp"
#include "framework/errors.hpp"
#include "layers/module/new_parameter.hpp"

namespace unroll {

template <class S>
LayerNorm<S>::LayerNorm(Index features, LayerNormOptions opts) : options(opts), size(features) {
  if (features < 1) throw ArgumentError(fmt::format("[LayerNorm] size: expected >= 1, got {}", features));
  if (!(options.eps >= 0.0))
    throw ArgumentError(fmt::format("[LayerNorm] eps: expected >= 0, got {}", options.eps));
  if (options.affine) {
    const Shape shape{static_cast<std::size_t>(features)};
    weight = detail::new_parameter<S>(kName, "weight", shape, [&] { return ones<S>(shape); });
    bias = detail::new_parameter<S>(kName, "bias", shape, [&] { return zeros<S>(shape); });
  }
}

template <class S>
Var<S> LayerNorm<S>::operator()(const Var<S>& x) const {
  // A moved-from layer still has its size, and would run without weight and bias.
  if (size < 1 || (options.affine && !weight.defined())) detail::throw_empty_layer(kName, "forward");
  const LayerScope scope(kName, weight.name());
  if (x.dimension() == 0 || x.shape(-1) != static_cast<std::size_t>(size)) {
    throw ShapeError(
        fmt::format("[LayerNorm.forward] input: expected (...,{}), got {}", size, to_string(x.shape())));
  }
  return layer_norm(x, weight, bias, options.eps);
}

template <class S>
std::string LayerNorm<S>::extra_repr() const {
  if (size < 1 || (options.affine && !weight.defined())) detail::throw_empty_layer(kName, "extra_repr");
  return fmt::format("{}{}", size, options.affine ? "" : ", not affine");
}

template struct LayerNorm<float>;
template struct LayerNorm<double>;

}  // namespace unroll
