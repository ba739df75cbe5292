#include "layers/layer_norm.hpp"

#include <fmt/format.h>

#include "framework/anomaly.hpp"
#include "framework/errors.hpp"

namespace unroll {

template <class S>
LayerNorm<S>::LayerNorm(Index features, LayerNormOptions opts) : options(opts), size(features) {
  if (features < 1) throw ArgumentError(fmt::format("[LayerNorm] size want >= 1, got {}", features));
  if (!(options.eps >= 0.0))
    throw ArgumentError(fmt::format("[LayerNorm] eps want >= 0, got {}", options.eps));
  if (options.affine) {
    weight = parameter(ones<S>({static_cast<std::size_t>(features)}), "weight");
    bias = parameter(zeros<S>({static_cast<std::size_t>(features)}), "bias");
  }
}

template <class S>
Var<S> LayerNorm<S>::operator()(const Var<S>& x) const {
  const LayerScope scope(kKind, weight.name());
  if (x.dimension() == 0 || x.shape(-1) != static_cast<std::size_t>(size)) {
    throw ShapeError(
        fmt::format("[LayerNorm.forward] input want (...,{}), got {}", size, to_string(x.shape())));
  }
  return layer_norm(x, weight, bias, options.eps);
}

template <class S>
std::string LayerNorm<S>::describe() const {
  return fmt::format("{}{}", size, options.affine ? "" : ", not affine");
}

template struct LayerNorm<float>;
template struct LayerNorm<double>;

}  // namespace unroll
