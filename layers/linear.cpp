#include "layers/linear.hpp"

#include <fmt/format.h>

#include <cmath>

#include "framework/anomaly.hpp"
#include "framework/errors.hpp"
#include "layers/module/new_parameter.hpp"

namespace unroll {

template <class S>
Linear<S>::Linear(Index input, Index output, Rng& rng, LinearOptions options) {
  if (input < 1 || output < 1) {
    throw ArgumentError(
        fmt::format("[Linear] sizes: expected >= 1, got input {} and output {}", input, output));
  }
  const double bound = 1.0 / std::sqrt(static_cast<double>(input));
  const auto rows = static_cast<std::size_t>(output);
  const auto make = [&](const char* name, const Shape& shape) {
    return detail::new_parameter<S>(kName, name, shape,
                                    [&] { return random_uniform<S>(shape, -bound, bound, rng); });
  };
  weight = make("weight", {rows, static_cast<std::size_t>(input)});
  if (options.bias) bias = make("bias", {rows});
}

template <class S>
Var<S> Linear<S>::operator()(const Var<S>& x) const {
  if (!weight.defined()) detail::throw_empty_layer(kName, "forward");
  const LayerScope scope(kName, weight.name());
  if (x.dimension() == 0 || x.shape(-1) != weight.shape(1)) {
    throw ShapeError(fmt::format("[Linear.forward] input: expected (...,{}), got {}", weight.shape(1),
                                 to_string(x.shape())));
  }
  return linear(x, weight, bias);
}

template <class S>
std::string Linear<S>::extra_repr() const {
  if (!weight.defined()) detail::throw_empty_layer(kName, "extra_repr");
  return fmt::format("{} -> {}{}", weight.shape(1), weight.shape(0), bias.defined() ? "" : ", no bias");
}

template struct Linear<float>;
template struct Linear<double>;

}  // namespace unroll
