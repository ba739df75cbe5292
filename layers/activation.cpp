#include "layers/activation.hpp"

#include <fmt/format.h>

#include "framework/ops.hpp"

namespace unroll {

// The functions live as long as the program, so their copies, of which every call of a layer makes some, need
// no reference counts.
template <class F>
const Activation& Activation::built_in(const char* name, F f) {
  static const auto* const functions = new Functions{name, f, f};
  static const Activation activation(std::shared_ptr<const Functions>(std::shared_ptr<void>(), functions));
  return activation;
}

const Activation& Activation::identity() {
  return built_in("identity", [](const auto& x) { return x; });
}

const Activation& Activation::tanh() {
  return built_in("tanh", [](const auto& x) { return unroll::tanh(x); });
}

const Activation& Activation::sigmoid() {
  return built_in("sigmoid", [](const auto& x) { return unroll::sigmoid(x); });
}

const Activation& Activation::relu() {
  return built_in("relu", [](const auto& x) { return unroll::relu(x); });
}

const Activation& Activation::gelu() {
  return built_in("gelu", [](const auto& x) { return unroll::gelu(x); });
}

const Activation& Activation::softplus() {
  return built_in("softplus", [](const auto& x) { return unroll::softplus(x); });
}

const Activation& Activation::hard_sigmoid() {
  return built_in("hard_sigmoid", [](const auto& x) { return clamp(x / 6.0 + 0.5, 0.0, 1.0); });
}

Activation Activation::leaky_relu(double slope) {
  return {fmt::format("leaky_relu({})", slope),
          [slope](const auto& x) { return unroll::leaky_relu(x, slope); }};
}

Activation Activation::elu(double alpha) {
  return {fmt::format("elu({})", alpha), [alpha](const auto& x) { return unroll::elu(x, alpha); }};
}

}  // namespace unroll
