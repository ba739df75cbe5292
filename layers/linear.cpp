#include "layers/linear.hpp"

#include <fmt/format.h>

#include <cmath>

#include "framework/anomaly.hpp"
#include "framework/errors.hpp"

namespace unroll {

template <class S>
Linear<S>::Linear(Index input, Index output, Rng& rng, LinearOptions options) {
  if (input < 1 || output < 1) {
    throw ArgumentError(fmt::format("[Linear] sizes want >= 1, got input {} and output {}", input, output));
  }
  const double bound = 1.0 / std::sqrt(static_cast<double>(input));
  const auto rows = static_cast<std::size_t>(output);
  weight =
      parameter(random_uniform<S>({rows, static_cast<std::size_t>(input)}, -bound, bound, rng), "weight");
  if (options.bias) bias = parameter(random_uniform<S>({rows}, -bound, bound, rng), "bias");
}

template <class S>
Var<S> Linear<S>::operator()(const Var<S>& x) const {
  const LayerScope scope(kKind, weight.name());
  if (x.dimension() == 0 || x.shape(-1) != weight.shape(1)) {
    throw ShapeError(
        fmt::format("[Linear.forward] input want (...,{}), got {}", weight.shape(1), to_string(x.shape())));
  }
  return linear(x, weight, bias);
}

template <class S>
std::string Linear<S>::describe() const {
  return fmt::format("{} -> {}{}", weight.shape(1), weight.shape(0), bias.defined() ? "" : ", no bias");
}

template struct Linear<float>;
template struct Linear<double>;

}  // namespace unroll
