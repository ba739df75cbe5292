// Optimizer: updates parameters by their gradients. A new optimizer is a struct of options and one update
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
#include "optim/parameter_group.hpp"

namespace unroll {

// State that an optimizer keeps for each parameter.
struct StateInfo {
  std::string_view name;  // a string literal
  double initial = 0.0;
  bool scalar = false;  // one number instead of a tensor of the parameter's shape
  bool operator==(const StateInfo&) const = default;
};

// The arguments of one parameter's update.
template <class S>
struct ParameterUpdate {
  std::span<S> value;           // updated in place
  std::span<const S> gradient;  // read only
  std::span<Tensor<S>> state;   // in the order of the options' state(), updated in place
  std::int64_t step;            // 1 at this parameter's first update
};

namespace detail {
[[noreturn]] void throw_other_state(const char* optimizer);
}  // namespace detail

// The common part of all optimizers: parameters, their state, and the step.
//
//   Adam<float> adam(parameters(model), {.lr = 3e-3});
//   Tape tape;
//   tape.backward(loss(model, x, y));
//   adam.step();                      // inside the tape's scope, where the gradients live
//
// Each group has its own options: here the biases have no weight decay and the embedding a smaller lr.
//
//   auto rest = parameters(model);
//   AdamW<float> adam({{take_named(rest, "bias"), {.lr = 3e-3, .weight_decay = 0.0}},
//                      {take_named(rest, "embedding"), {.lr = 3e-4}},
//                      {rest, {.lr = 3e-3}}});
//   const CosineSchedule schedule{.lr = 1.0, .period = 50};  // a factor on every group's own lr
//   adam.scale_lr(schedule(epoch));
//
// Groups are counted from 0. Getters default to group 0. Setters without a group need a single group. An
// unknown group throws ArgumentError.
template <class S>
class Optimizer {
 public:
  virtual ~Optimizer() = default;
  Optimizer(const Optimizer&) = delete;
  Optimizer& operator=(const Optimizer&) = delete;

  // Returns the name for error messages and checkpoints, for example "Adam".
  const char* optimizer_name() const noexcept { return name_; }
  // Returns the parameters, each once, in the given order, group after group.
  const std::vector<Var<S>>& parameters() const& noexcept { return parameters_; }
  std::vector<Var<S>> parameters() && { return parameters_; }
  // Returns the parameters of one group.
  std::span<const Var<S>> parameters(std::size_t group) const&;
  std::vector<Var<S>> parameters(std::size_t group) &&;
  std::size_t group_count() const noexcept { return groups_.size(); }

  // Updates every parameter that has a gradient; the other parameters and all gradients stay unchanged.
  // Throws TapeError if no parameter has a gradient, ShapeError if a parameter has changed its shape, and
  // ArgumentError for a parameter without a gradient that only the optimizer still holds: it was replaced in
  // the model (head.weight = ...) after the optimizer was made, and its replacement would never be trained.
  // Changes nothing if it throws.
  void step();
  // Returns the number of step() calls.
  std::int64_t step_count() const noexcept { return step_count_; }

  double lr(std::size_t group = 0) const { return group_lr(checked_group("lr", group)); }
  // Throws ArgumentError unless lr is finite and >= 0.
  void set_lr(double lr) { set_group_lr(only_group("set_lr", "scale_lr"), lr); }
  void set_lr(double lr, std::size_t group) { set_group_lr(checked_group("set_lr", group), lr); }
  // Sets every group's lr to factor times its lr at construction. Throws ArgumentError unless factor is
  // finite and >= 0.
  void scale_lr(double factor);

  // Returns all that the next step depends on besides parameters, gradients and options: "step_count"; for
  // each parameter "P.step", and "P.Q" for every quantity Q kept; with several groups also "groups", the
  // number of parameters in each. P is the parameter's name at construction, or "#" and its position.
  TensorMap<S> state() const;
  // Restores a snapshot made by state(). Throws ArgumentError for a missing or unknown name or other groups,
  // ShapeError for another shape. Changes nothing if it throws.
  void load_state(const TensorMap<S>& state);

 protected:
  struct Group {
    std::vector<Var<S>> parameters;
    std::vector<StateInfo> kept;
    double lr;
  };
  // name appears in error messages and must outlive the optimizer. A parameter listed twice in a group (tied
  // weights) is updated once. Throws ArgumentError for no groups, a group without parameters, a parameter in
  // two groups, an empty handle or a constant.
  Optimizer(const char* name, const std::vector<Group>& groups);
  Optimizer(Optimizer&&) noexcept = default;
  Optimizer& operator=(Optimizer&&) noexcept = default;

  // Throws ArgumentError, naming the function, for a moved-from optimizer.
  void require_parameters(const char* function) const;
  // Returns group. Throws ArgumentError, naming the function, if there is no such group.
  std::size_t checked_group(const char* function, std::size_t group) const;
  // Returns the only group. Throws ArgumentError, naming the function, if there are several; for_all is the
  // function to suggest.
  std::size_t only_group(const char* function, const char* for_all) const;

 private:
  virtual void update_parameter(std::size_t group, const ParameterUpdate<S>& u) = 0;
  virtual double group_lr(std::size_t group) const = 0;
  virtual void set_group_lr(std::size_t group, double lr) = 0;

  struct GroupInfo {
    std::vector<StateInfo> kept;
    double lr;                 // at construction
    std::size_t first, count;  // range in parameters_
  };
  struct Slot {
    std::string key;  // in state()
    std::size_t group = 0;
    Shape shape = {};
    std::vector<Tensor<S>> state = {};
    std::int64_t step = 0;
  };
  std::string label(std::size_t index) const;
  Tensor<S> group_sizes() const;

  const char* name_;
  std::vector<GroupInfo> groups_;
  std::vector<Var<S>> parameters_;
  std::vector<Slot> slots_;  // one per parameter
  std::int64_t step_count_ = 0;
};

// An optimizer with options: a struct with a double lr and the members
//   static constexpr const char* kName;     the optimizer's name in errors and checkpoints
//   void check() const;                     throws ArgumentError for an invalid value
//   std::vector<StateInfo> state() const;   the state kept per parameter with these options
// The optimizer inherits the constructors and is the single function update(options, u).
template <class S, class Options>
class ConfiguredOptimizer : public Optimizer<S> {
 public:
  using Group = ParameterGroup<S, Options>;

  // Throws ArgumentError for options out of range.
  explicit ConfiguredOptimizer(const std::vector<Var<S>>& parameters, const Options& options = {})
      : ConfiguredOptimizer({Group{parameters, options}}) {}
  // Takes several groups. Also throws ArgumentError for a parameter in two of them.
  explicit ConfiguredOptimizer(const std::vector<Group>& groups)
      : Optimizer<S>(Options::kName, described(groups)) {
    for (const Group& group : groups) options_.push_back(group.options);
  }

  const Options& options(std::size_t group = 0) const& {
    return options_[this->checked_group("options", group)];
  }
  Options options(std::size_t group = 0) && { return options_[this->checked_group("options", group)]; }
  // Sets the options from the next step on. Throws ArgumentError for invalid values, and if they need other
  // state per parameter than before.
  void set_options(const Options& options) {
    set_options(options, this->only_group("set_options", "set_options(options, group) for each"));
  }
  void set_options(const Options& options, std::size_t group) {
    Options& old = options_[this->checked_group("set_options", group)];
    options.check();
    if (options.state() != old.state()) detail::throw_other_state(this->optimizer_name());
    old = options;
  }

 protected:
  // value, state = f(value, gradient, state)
  virtual void update(const Options& options, const ParameterUpdate<S>& u) = 0;

 private:
  static std::vector<typename Optimizer<S>::Group> described(const std::vector<Group>& groups) {
    std::vector<typename Optimizer<S>::Group> result;
    for (const auto& [parameters, options] : groups) {
      options.check();
      result.push_back({parameters, options.state(), options.lr});
    }
    return result;
  }
  void update_parameter(std::size_t group, const ParameterUpdate<S>& u) final { update(options_[group], u); }
  double group_lr(std::size_t group) const final { return options_[group].lr; }
  void set_group_lr(std::size_t group, double lr) final {
    Options changed = options_[group];
    changed.lr = lr;
    set_options(changed, group);
  }
  std::vector<Options> options_;  // one per group
};

}  // namespace unroll
