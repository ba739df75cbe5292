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
#include "optim/parameter_group.hpp"

namespace unroll {

// What an optimizer keeps beside every parameter.
struct StateInfo {
  std::string_view name;  // of a string literal
  double initial = 0.0;
  bool scalar = false;  // one number, instead of a tensor in the parameter's shape
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
//
// Groups have options of their own: here the biases no weight decay and the embedding a smaller lr.
//
//   auto rest = parameters(model);
//   AdamW<float> adam({{take_named(rest, "bias"), {.lr = 3e-3, .weight_decay = 0.0}},
//                      {take_named(rest, "embedding"), {.lr = 3e-4}},
//                      {rest, {.lr = 3e-3}}});
//   const CosineSchedule schedule{.lr = 1.0, .period = 50};  // a factor on every group's own lr
//   adam.scale_lr(schedule(epoch));
//
// Groups are counted from 0. A function without the group's number means the first one, if it reads, and
// wants one group in all, if it writes; naming a group that there is not throws ArgumentError.
template <class S>
class Optimizer {
 public:
  virtual ~Optimizer() = default;
  Optimizer(const Optimizer&) = delete;
  Optimizer& operator=(const Optimizer&) = delete;

  // "Adam", as error messages and checkpoints call it.
  const char* optimizer_name() const noexcept { return name_; }
  // The parameters, each once, in the order given: those of the first group, of the second and so on.
  const std::vector<Var<S>>& parameters() const& noexcept { return parameters_; }
  std::vector<Var<S>> parameters() && { return parameters_; }
  // The parameters of one group.
  std::span<const Var<S>> parameters(std::size_t group) const&;
  std::vector<Var<S>> parameters(std::size_t group) &&;
  std::size_t group_count() const noexcept { return groups_.size(); }

  // Updates every parameter that has a gradient; the others, and every gradient, stay as they are. Throws
  // TapeError when no parameter has one, ShapeError when a parameter has changed its shape, and ArgumentError
  // for one without a gradient that nothing but the optimizer holds any more: a model in which it was
  // replaced (head.weight = ...) after the optimizer was made would never be trained. Nothing has changed
  // then.
  void step();
  // Number of step() calls so far.
  std::int64_t step_count() const noexcept { return step_count_; }

  double lr(std::size_t group = 0) const { return group_lr(checked_group("lr", group)); }
  // Throws ArgumentError unless lr is finite and >= 0.
  void set_lr(double lr) { set_group_lr(only_group("set_lr", "scale_lr"), lr); }
  void set_lr(double lr, std::size_t group) { set_group_lr(checked_group("set_lr", group), lr); }
  // Every group's lr = factor times the lr that it had at construction. Throws ArgumentError unless factor is
  // finite and >= 0.
  void scale_lr(double factor);

  // All that the next step depends on besides the parameters, their gradients and the options, to be saved:
  // "step_count", for each parameter "P.step" and "P.Q" for every quantity Q kept, where P is the name that
  // the parameter had at construction, or "#" and its position, and with several groups "groups", the number
  // of parameters in each.
  TensorMap<S> state() const;
  // Takes over what state() gave. Throws ArgumentError for a missing or unknown name or other groups,
  // ShapeError for another shape; then nothing has changed.
  void load_state(const TensorMap<S>& state);

 protected:
  struct Group {
    std::vector<Var<S>> parameters;
    std::vector<StateInfo> kept;
    double lr;
  };
  // name is the optimizer's own in error messages and must outlive it. A parameter listed twice in a group
  // (tied weights) is updated once. Throws ArgumentError for no groups, a group without parameters, a
  // parameter in two groups, an empty handle or a constant.
  Optimizer(const char* name, const std::vector<Group>& groups);
  Optimizer(Optimizer&&) noexcept = default;
  Optimizer& operator=(Optimizer&&) noexcept = default;

  // Throws ArgumentError, naming the function, for an optimizer that was moved from.
  void require_parameters(const char* function) const;
  // group. Throws ArgumentError, naming the function, when there is no such group
  std::size_t checked_group(const char* function, std::size_t group) const;
  // or when there are several, hinting at what does work on all.
  std::size_t only_group(const char* function, const char* for_all) const;

 private:
  virtual void update_parameter(std::size_t group, const ParameterUpdate<S>& u) = 0;
  virtual double group_lr(std::size_t group) const = 0;
  virtual void set_group_lr(std::size_t group, double lr) = 0;

  struct GroupInfo {
    std::vector<StateInfo> kept;
    double lr;                 // at construction
    std::size_t first, count;  // its part of parameters_
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
//   void check() const;                     throws ArgumentError for a value that is not allowed
//   std::vector<StateInfo> state() const;   what is kept beside each parameter with these options
// The optimizer itself is the one function update(options, u).
template <class S, class Options>
class ConfiguredOptimizer : public Optimizer<S> {
 public:
  using Group = ParameterGroup<S, Options>;

  const Options& options(std::size_t group = 0) const& {
    return options_[this->checked_group("options", group)];
  }
  Options options(std::size_t group = 0) && { return options_[this->checked_group("options", group)]; }
  // New options from the next step on. Throws ArgumentError for values not allowed, and when they need other
  // state beside the parameters than before.
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
  ConfiguredOptimizer(const char* name, const std::vector<Var<S>>& parameters, const Options& options)
      : ConfiguredOptimizer(name, {Group{parameters, options}}) {}
  ConfiguredOptimizer(const char* name, const std::vector<Group>& groups)
      : Optimizer<S>(name, described(groups)) {
    for (const Group& group : groups) options_.push_back(group.options);
  }

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
