// Optimizer: changes parameters by their gradients. A new optimizer is a struct of options and one update
// function.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "framework/serialization.hpp"
#include "framework/var.hpp"

namespace unroll {

// What an optimizer keeps beside every parameter, in the parameter's shape.
struct StateInfo {
  std::string_view name;  // of a string literal
  double initial = 0.0;
  bool operator==(const StateInfo&) const = default;
};

// One parameter's share of a step.
template <class S>
struct ParameterUpdate {
  std::span<S> value;           // to be changed
  std::span<const S> gradient;  // never changed
  std::span<Tensor<S>> state;   // in the order of the options' state(), to be changed
  std::int64_t step;            // 1 at this parameter's first update
};

namespace detail {
[[noreturn]] void throw_other_state(const char* optimizer);
}  // namespace detail

// What all optimizers share: the parameters, the state beside them, and the step over both.
//
//   Adam<float> adam(parameters(model), {.lr = 3e-3});
//   Tape tape;
//   tape.backward(loss(model, x, y));
//   adam.step();                      // inside the tape's scope, where the gradients live
template <class S>
class Optimizer {
 public:
  virtual ~Optimizer() = default;
  Optimizer(const Optimizer&) = delete;
  Optimizer& operator=(const Optimizer&) = delete;

  // The parameters, each once, in the order given.
  const std::vector<Var<S>>& parameters() const noexcept { return parameters_; }

  // Updates every parameter that has a gradient; the others, and every gradient, stay as they are. Throws
  // TapeError when no parameter has one, ShapeError when a parameter has changed its shape.
  void step();
  // Number of step() calls so far.
  std::int64_t step_count() const noexcept { return step_count_; }

  virtual double lr() const noexcept = 0;
  // Throws ArgumentError unless lr is finite and >= 0.
  virtual void set_lr(double lr) = 0;

  // All that the next step depends on besides the parameters, their gradients and the options, to be saved:
  // "step_count", and for each parameter "P.step" and "P.Q" for every quantity Q kept, where P is the name
  // that the parameter had at construction, or "#" and its position.
  TensorMap<S> state() const;
  // Takes over what state() gave. Throws ArgumentError for a missing or unknown name, ShapeError for another
  // shape; then nothing has changed.
  void load_state(const TensorMap<S>& state);

 protected:
  // name is the optimizer's own in error messages and must outlive it. A parameter listed twice (tied
  // weights) is updated once. Throws ArgumentError for no parameters, an empty handle or a constant.
  Optimizer(const char* name, const std::vector<Var<S>>& parameters, std::vector<StateInfo> kept);
  Optimizer(Optimizer&&) = default;
  Optimizer& operator=(Optimizer&&) = default;

  const char* optimizer_name() const noexcept { return name_; }

 private:
  virtual void update_parameter(const ParameterUpdate<S>& u) = 0;

  struct Slot {
    std::string key;  // in state()
    std::vector<Tensor<S>> state;
    std::int64_t step = 0;
  };
  std::string label(std::size_t index) const;

  const char* name_;
  std::vector<StateInfo> kept_;
  std::vector<Var<S>> parameters_;
  std::vector<Slot> slots_;  // one per parameter
  std::int64_t step_count_ = 0;
};

// An optimizer with options: a struct with a double lr and the members
//   void check() const;                     throws ArgumentError for a value that is not allowed
//   std::vector<StateInfo> state() const;   what is kept beside each parameter with these options
// The optimizer itself is the one function update(options, u).
template <class S, class Options>
class ConfiguredOptimizer : public Optimizer<S> {
 public:
  const Options& options() const noexcept { return options_; }
  // New options from the next step on. Throws ArgumentError for values not allowed, and when they need other
  // state beside the parameters than before.
  void set_options(const Options& options) {
    options.check();
    if (options.state() != options_.state()) detail::throw_other_state(this->optimizer_name());
    options_ = options;
  }

  double lr() const noexcept override { return options_.lr; }
  void set_lr(double lr) override {
    Options changed = options_;
    changed.lr = lr;
    set_options(changed);
  }

 protected:
  ConfiguredOptimizer(const char* name, const std::vector<Var<S>>& parameters, const Options& options)
      : Optimizer<S>(name, parameters, checked(options).state()), options_(options) {}

  // value, state = f(value, gradient, state)
  virtual void update(const Options& options, const ParameterUpdate<S>& u) = 0;

 private:
  static const Options& checked(const Options& options) {
    options.check();
    return options;
  }
  void update_parameter(const ParameterUpdate<S>& u) final { update(options_, u); }
  Options options_;
};

}  // namespace unroll
