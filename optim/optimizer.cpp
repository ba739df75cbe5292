#include "optim/optimizer.hpp"

#include <fmt/format.h>

#include <cmath>
#include <set>

#include "framework/errors.hpp"
#include "optim/parameter_list.hpp"

namespace unroll {

void detail::throw_other_state(const char* optimizer) {
  throw ArgumentError(fmt::format(
      "[{}.set_options] options want the same state beside the parameters as at construction, got "
      "other (momentum, amsgrad and centered are chosen once)",
      optimizer));
}

template <class S>
Optimizer<S>::Optimizer(const char* name, const std::vector<Var<S>>& parameters, std::vector<StateInfo> kept)
    : name_(name), kept_(std::move(kept)), parameters_(detail::distinct_parameters(name, parameters)) {
  if (parameters_.empty())
    throw ArgumentError(fmt::format("[{}] parameters want at least one, got none", name_));
  slots_.resize(parameters_.size());
  std::set<std::string> taken;
  for (std::size_t i = 0; i < slots_.size(); ++i) {
    std::string key = parameters_[i].name().empty() ? fmt::format("#{}", i) : parameters_[i].name();
    while (!taken.insert(key).second) key = fmt::format("{}#{}", key, i);
    slots_[i].key = std::move(key);
    for (const StateInfo& info : kept_) {
      slots_[i].state.push_back(full<S>(parameters_[i].shape(), static_cast<S>(info.initial)));
    }
  }
}

template <class S>
void Optimizer<S>::step() {
  // Everything is checked before anything changes.
  bool any = false;
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    const Var<S>& p = parameters_[i];
    if (!p.has_grad()) continue;
    any = true;
    const Shape& kept = kept_.empty() ? p.shape() : slots_[i].state[0].shape();
    if (p.shape() != kept || p.grad().shape() != p.shape()) {
      throw ShapeError(
          fmt::format("[{}.step] parameter {} want its shape at construction, {}, got {} with a gradient of "
                      "{} (make a new "
                      "optimizer for a parameter of another shape)",
                      name_, label(i), to_string(kept), to_string(p.shape()), to_string(p.grad().shape())));
    }
  }
  if (!any) {
    throw TapeError(
        fmt::format("[{}.step] want a gradient for at least one parameter, got none for any of {} (a "
                    "gradient lives as long as "
                    "the tape that computed it: call step() after backward() and inside the tape's scope)",
                    name_, parameters_.size()));
  }
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    Var<S>& p = parameters_[i];
    if (!p.has_grad()) continue;
    Tensor<S>& value = p.mutable_value();
    Slot& slot = slots_[i];
    ++slot.step;
    update_parameter({{value.data(), value.size()}, {p.grad().data(), value.size()}, slot.state, slot.step});
  }
  ++step_count_;
}

// The parameter for an error message.
template <class S>
std::string Optimizer<S>::label(std::size_t index) const {
  const std::string& name = parameters_[index].name();
  return name.empty() ? fmt::format("number {}", index) : fmt::format("'{}'", name);
}

template <class S>
TensorMap<S> Optimizer<S>::state() const {
  TensorMap<S> state;
  state["step_count"] = Tensor<S>(static_cast<S>(step_count_));
  for (const Slot& slot : slots_) {
    state[slot.key + ".step"] = Tensor<S>(static_cast<S>(slot.step));
    for (std::size_t k = 0; k < kept_.size(); ++k) {
      state[fmt::format("{}.{}", slot.key, kept_[k].name)] = slot.state[k];
    }
  }
  return state;
}

template <class S>
void Optimizer<S>::load_state(const TensorMap<S>& state) {
  std::set<std::string> known;
  const auto find = [&](const std::string& key, const Shape& shape) -> const Tensor<S>& {
    const auto found = state.find(key);
    if (found == state.end()) {
      throw ArgumentError(fmt::format("[{}.load_state] want '{}', got a state without it", name_, key));
    }
    if (found->second.shape() != shape) {
      throw ShapeError(fmt::format("[{}.load_state] '{}' want {}, got {}", name_, key, to_string(shape),
                                   to_string(found->second.shape())));
    }
    known.insert(key);
    return found->second;
  };
  const auto count = [&](const std::string& key) {
    const auto value = static_cast<double>(find(key, {})());
    if (!(value >= 0.0 && value <= 0x1p53 && value == std::floor(value))) {
      throw ArgumentError(
          fmt::format("[{}.load_state] '{}' want a whole number >= 0, got {}", name_, key, value));
    }
    return static_cast<std::int64_t>(value);
  };
  std::vector<Slot> slots(slots_.size());
  const std::int64_t steps = count("step_count");
  for (std::size_t i = 0; i < slots.size(); ++i) {
    slots[i].key = slots_[i].key;
    slots[i].step = count(slots[i].key + ".step");
    for (const StateInfo& info : kept_) {
      slots[i].state.push_back(find(fmt::format("{}.{}", slots[i].key, info.name), parameters_[i].shape()));
    }
  }
  for (const auto& [key, tensor] : state) {
    if (known.contains(key)) continue;
    throw ArgumentError(
        fmt::format("[{}.load_state] want only what this optimizer keeps, got '{}'", name_, key));
  }
  slots_ = std::move(slots);
  step_count_ = steps;
}

template class Optimizer<float>;
template class Optimizer<double>;

}  // namespace unroll
