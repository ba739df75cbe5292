#include "optim/optimizer.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <utility>

#include "framework/errors.hpp"
#include "framework/quoted.hpp"
#include "optim/options.hpp"
#include "optim/parameter_list.hpp"

namespace unroll {

void detail::throw_other_state(const char* optimizer) {
  throw ArgumentError(
      fmt::format("[{}.set_options] options: expected the same optimizer state as at construction, got "
                  "another (momentum, amsgrad and centered are chosen once)",
                  optimizer));
}

template <class S>
Optimizer<S>::Optimizer(const char* name, const std::vector<Group>& groups) : name_(name) {
  if (groups.empty()) throw ArgumentError(fmt::format("[{}] groups: expected at least one, got none", name_));
  std::map<const void*, std::size_t> group_of;
  std::set<std::string> taken;
  for (std::size_t g = 0; g < groups.size(); ++g) {
    const std::vector<Var<S>> list = detail::distinct_parameters(name, groups[g].parameters);
    if (list.empty()) {
      throw ArgumentError(fmt::format("[{}] parameters: expected at least one, got none{}", name_,
                                      groups.size() == 1 ? "" : fmt::format(" in group {}", g)));
    }
    groups_.push_back({groups[g].kept, groups[g].lr, parameters_.size(), list.size()});
    for (const Var<S>& p : list) {
      const std::size_t i = parameters_.size();
      parameters_.push_back(p);
      if (const auto [other, fresh] = group_of.emplace(p.get(), g); !fresh) {
        throw ArgumentError(fmt::format(
            "[{}] parameter {}: expected one group, got groups {} and {} (which options apply to it?)", name_,
            label(i), other->second, g));
      }
      Slot slot{.key = p.name().empty() ? fmt::format("#{}", i) : p.name(), .group = g, .shape = p.shape()};
      while (!taken.insert(slot.key).second) slot.key = fmt::format("{}#{}", slot.key, i);
      for (const StateInfo& info : groups_[g].kept) {
        slot.state.push_back(full<S>(info.scalar ? Shape{} : slot.shape, static_cast<S>(info.initial)));
      }
      slots_.push_back(std::move(slot));
    }
  }
}

template <class S>
std::span<const Var<S>> Optimizer<S>::parameters(std::size_t group) const& {
  const GroupInfo& info = groups_[checked_group("parameters", group)];
  return std::span(parameters_).subspan(info.first, info.count);
}

template <class S>
std::vector<Var<S>> Optimizer<S>::parameters(std::size_t group) && {
  const std::span<const Var<S>> part = std::as_const(*this).parameters(group);
  return {part.begin(), part.end()};
}

template <class S>
void Optimizer<S>::require_parameters(const char* function) const {
  if (!parameters_.empty()) return;
  throw ArgumentError(fmt::format(
      "[{}.{}] optimizer: expected one with parameters, got one that was moved from", name_, function));
}

template <class S>
std::size_t Optimizer<S>::checked_group(const char* function, std::size_t group) const {
  require_parameters(function);
  if (group < groups_.size()) return group;
  throw ArgumentError(
      fmt::format("[{}.{}] group: expected a number < {}, got {}", name_, function, groups_.size(), group));
}

template <class S>
std::size_t Optimizer<S>::only_group(const char* function, const char* for_all) const {
  require_parameters(function);
  if (groups_.size() == 1) return 0;
  throw ArgumentError(fmt::format("[{0}.{1}] group: expected a number < {2}, got none ({3} changes all)",
                                  name_, function, groups_.size(), for_all));
}

template <class S>
void Optimizer<S>::scale_lr(double factor) {
  require_parameters("scale_lr");
  require_at_least(fmt::format("{}.scale_lr", name_).c_str(), "factor", factor, 0.0);
  for (std::size_t g = 0; g < groups_.size(); ++g) set_group_lr(g, groups_[g].lr * factor);
}

template <class S>
void Optimizer<S>::step() {
  require_parameters("step");
  // Everything is checked before anything changes.
  bool any = false;
  std::size_t lost = parameters_.size();
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    const Var<S>& p = parameters_[i];
    if (!p.has_grad()) {
      if (p.get()->references == 1) lost = std::min(lost, i);
      continue;
    }
    any = true;
    // A parameter without state may change its shape.
    if (p.grad().shape() != p.shape() || (!slots_[i].state.empty() && p.shape() != slots_[i].shape)) {
      const Shape& kept = slots_[i].state.empty() ? p.shape() : slots_[i].shape;
      throw ShapeError(
          fmt::format("[{}.step] parameter {}: expected its shape at construction, {}, got {} with a "
                      "gradient of {} (make a new optimizer for a parameter of another shape)",
                      name_, label(i), to_string(kept), to_string(p.shape()), to_string(p.grad().shape())));
    }
  }
  if (!any) {
    throw TapeError(fmt::format(
        "[{}.step] expected a gradient for at least one parameter, got none for any of {} (a gradient lives "
        "as long as the tape that computed it: call step() after backward() and inside the tape's scope)",
        name_, parameters_.size()));
  }
  if (lost < parameters_.size()) {
    throw ArgumentError(fmt::format(
        "[{}.step] parameter {}: expected a parameter of the model, got one that only the optimizer holds "
        "and that has no gradient (was it replaced after the optimizer was made? make a new optimizer)",
        name_, label(lost)));
  }
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    Var<S>& p = parameters_[i];
    if (!p.has_grad()) continue;
    S* value = p.mutable_value().data();
    const Tensor<S>& gradient = p.grad();
    Slot& slot = slots_[i];
    ++slot.step;
    const std::size_t size = gradient.storage().size();
    update_parameter(slot.group, {{value, size}, {gradient.data(), size}, slot.state, slot.step});
  }
  ++step_count_;
}

// Returns the parameter's name for an error message.
template <class S>
std::string Optimizer<S>::label(std::size_t index) const {
  const std::string& name = parameters_[index].name();
  return name.empty() ? fmt::format("number {}", index) : fmt::format("'{}'", name);
}

template <class S>
Tensor<S> Optimizer<S>::group_sizes() const {
  Tensor<S> sizes(Shape{groups_.size()});
  for (std::size_t g = 0; g < groups_.size(); ++g) sizes(g) = static_cast<S>(groups_[g].count);
  return sizes;
}

template <class S>
TensorMap<S> Optimizer<S>::state() const {
  require_parameters("state");
  TensorMap<S> state;
  state["step_count"] = Tensor<S>(static_cast<S>(step_count_));
  if (groups_.size() > 1) state["groups"] = group_sizes();
  for (const Slot& slot : slots_) {
    state[slot.key + ".step"] = Tensor<S>(static_cast<S>(slot.step));
    const std::vector<StateInfo>& kept = groups_[slot.group].kept;
    for (std::size_t k = 0; k < kept.size(); ++k) {
      state[fmt::format("{}.{}", slot.key, kept[k].name)] = slot.state[k];
    }
  }
  return state;
}

template <class S>
void Optimizer<S>::load_state(const TensorMap<S>& state) {
  require_parameters("load_state");
  std::set<std::string> known;
  const auto find = [&](const std::string& key, const Shape& shape) -> const Tensor<S>& {
    const auto found = state.find(key);
    if (found == state.end()) {
      throw ArgumentError(fmt::format("[{}.load_state] expected '{}', got a state without it", name_, key));
    }
    if (found->second.shape() != shape) {
      throw ShapeError(fmt::format("[{}.load_state] '{}': expected {}, got {}", name_, key, to_string(shape),
                                   to_string(found->second.shape())));
    }
    known.insert(key);
    return found->second;
  };
  const auto count = [&](const std::string& key) {
    const auto value = static_cast<double>(find(key, {})());
    if (!(value >= 0.0 && value <= 0x1p53 && value == std::floor(value))) {
      throw ArgumentError(
          fmt::format("[{}.load_state] '{}': expected a whole number >= 0, got {}", name_, key, value));
    }
    return static_cast<std::int64_t>(value);
  };
  const std::int64_t steps = count("step_count");
  if (groups_.size() > 1 && find("groups", {groups_.size()}) != group_sizes()) {
    throw ArgumentError(
        fmt::format("[{}.load_state] 'groups': expected this optimizer's group sizes, got others", name_));
  }
  std::vector<Slot> slots = slots_;
  for (Slot& slot : slots) {
    slot.step = count(slot.key + ".step");
    const std::vector<StateInfo>& kept = groups_[slot.group].kept;
    for (std::size_t k = 0; k < kept.size(); ++k) {
      slot.state[k] = find(fmt::format("{}.{}", slot.key, kept[k].name), slot.state[k].shape());
    }
  }
  for (const auto& [key, tensor] : state) {
    if (known.contains(key)) continue;
    throw ArgumentError(
        fmt::format("[{}.load_state] expected only what this optimizer keeps, got {}", name_, quoted(key)));
  }
  slots_ = std::move(slots);
  step_count_ = steps;
}

template class Optimizer<float>;
template class Optimizer<double>;

}  // namespace unroll
