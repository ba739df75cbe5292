// Activation: an element-wise function as an option of a layer.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "framework/var.hpp"

namespace unroll {

// One of the functions below, or a custom one:
//   Activation("softsign", [](const auto& x) { return x / (1.0 + abs(x)); })
// A custom function takes Var<float> and Var<double>; its ops give the derivative. Copies of an Activation
// compare equal.
class Activation {
 public:
  static const Activation& identity();
  static const Activation& tanh();
  static const Activation& sigmoid();
  static const Activation& relu();
  static const Activation& gelu();
  static const Activation& softplus();
  // clamp(x / 6 + 1 / 2, 0, 1), as in PyTorch.
  static const Activation& hard_sigmoid();
  static Activation leaky_relu(double slope = 0.01);
  static Activation elu(double alpha = 1.0);

  template <class F>
  Activation(std::string name, F f)
      : functions_(std::make_shared<const Functions>(Functions{std::move(name), f, f})) {}

  // Copies only, so that a moved-from Activation is still a function.
  Activation(const Activation&) = default;
  Activation& operator=(const Activation&) = default;

  Var<float> operator()(const Var<float>& x) const { return functions_->in_float(x); }
  Var<double> operator()(const Var<double>& x) const { return functions_->in_double(x); }
  const std::string& name() const& noexcept { return functions_->name; }
  std::string name() const&& { return functions_->name; }
  bool operator==(const Activation&) const = default;

 private:
  struct Functions {
    std::string name;
    std::function<Var<float>(const Var<float>&)> in_float;
    std::function<Var<double>(const Var<double>&)> in_double;
  };
  explicit Activation(std::shared_ptr<const Functions> functions) : functions_(std::move(functions)) {}
  template <class F>
  static const Activation& built_in(const char* name, F f);
  std::shared_ptr<const Functions> functions_;
};

}  // namespace unroll
