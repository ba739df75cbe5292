#include "layers/activation.hpp"

#include <fmt/format.h>

#include "framework/ops.hpp"

namespace unroll {

const Activation& Activation::identity() {
  static const Activation f("identity", [](const auto& x) { return x; });
  return f;
}

const Activation& Activation::tanh() {
  static const Activation f("tanh", [](const auto& x) { return unroll::tanh(x); });
  return f;
}

const Activation& Activation::sigmoid() {
  static const Activation f("sigmoid", [](const auto& x) { return unroll::sigmoid(x); });
  return f;
}

const Activation& Activation::relu() {
  static const Activation f("relu", [](const auto& x) { return unroll::relu(x); });
  return f;
}

const Activation& Activation::gelu() {
  static const Activation f("gelu", [](const auto& x) { return unroll::gelu(x); });
  return f;
}

const Activation& Activation::softplus() {
  static const Activation f("softplus", [](const auto& x) { return unroll::softplus(x); });
  return f;
}

const Activation& Activation::hard_sigmoid() {
  static const Activation f("hard_sigmoid", [](const auto& x) { return clamp(x / 6.0 + 0.5, 0.0, 1.0); });
  return f;
}

Activation Activation::leaky_relu(double slope) {
  return {fmt::format("leaky_relu({})", slope),
          [slope](const auto& x) { return unroll::leaky_relu(x, slope); }};
}

Activation Activation::elu(double alpha) {
  return {fmt::format("elu({})", alpha), [alpha](const auto& x) { return unroll::elu(x, alpha); }};
}

}  // namespace unroll
