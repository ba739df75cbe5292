#include "framework/var.hpp"

#include <fmt/format.h>

#include "framework/errors.hpp"
#include "framework/tape.hpp"

namespace unroll {

namespace detail {

// The elements of a small value begin at its second cache line.
static_assert(sizeof(Value<float>) == 64 && sizeof(Value<double>) == 64);

void throw_empty_var() {
  throw TapeError("[Var] expected a value, got an empty handle (default-constructed or moved from)");
}
void throw_not_scalar(const Shape& shape) {
  throw ShapeError(fmt::format("[Var::item] expected one element, got shape {}", to_string(shape)));
}
void throw_no_gradient(const std::string& parameter) {
  throw TapeError(
      fmt::format("[Var::grad] expected a gradient of parameter '{}', got none (a gradient exists from "
                  "backward() until its tape ends, and only for parameters that the loss depends on)",
                  parameter));
}
}  // namespace detail

template <class S>
bool Var<S>::requires_grad() const noexcept {
  if (value_ == nullptr) return false;
  if (value_->leaf != nullptr) return true;
  const Tape* tape = Tape::current();
  return tape != nullptr && value_->tape == tape->serial() && value_->node != detail::kNoNode;
}

template <class S>
Tensor<S> Var<S>::value() && {
  note_read();
  const Var last(std::move(*this));
  Tensor<S>& data = last.checked()->data;
  // A value with a single handle is invisible to others: no copy is needed, unless the elements stand behind
  // it.
  const bool moves = last.value_->references == 1 && last.value_->leaf == nullptr;
  if (moves && !detail::is_behind_value(data)) return std::move(data);
  return data;
}

template <class S>
Tensor<S>& Var<S>::mutable_value() & {
  Tensor<S>& data = checked()->data;
  note_read();
  if (value_->leaf != nullptr) {
    ++value_->leaf->changes;
    value_->leaf->packed.reset();  // a copy of elements that are about to change
  }
  for (Tape* tape = Tape::current(); tape != nullptr; tape = tape->outer_) {
    if (!tape->change_ && tape->has_used(*this)) tape->note_change(*this);
  }
  return data;
}

template <class S>
Tensor<S>& Var<S>::mutable_grad() & {
  grad();
  return value_->leaf->gradient.get()->data;
}

template <class S>
void Var<S>::clear_grad() noexcept {
  if (value_ != nullptr && value_->leaf) value_->leaf->gradient = Var();
}

template <class S>
void Var<S>::register_hook(Hook hook) {
  checked();
  note_read();  // a program calls no hook
  if (!hook) throw ArgumentError("[Var::register_hook] hook: expected a function, got an empty one");
  if (value_->leaf) {
    value_->leaf->hooks.push_back(std::move(hook));
    return;
  }
  if (!requires_grad()) {
    throw TapeError(
        "[Var::register_hook] expected a parameter or a value on the current tape, got a constant");
  }
  // The engine keeps gradients without their type; a hook takes one and returns one.
  Tape::current()->hooks_[value_->node].push_back([hook = std::move(hook)](void* g) -> void* {
    Var<S> gradient(static_cast<detail::Value<S>*>(g));
    Var<S> replaced = hook(gradient);
    if (!replaced.defined()) return gradient.release();
    if (replaced.shape() != gradient.shape()) {
      throw ShapeError(fmt::format("[Var::register_hook] hook: expected a gradient of shape {}, got {}",
                                   to_string(gradient.shape()), to_string(replaced.shape())));
    }
    return replaced.release();
  });
}

template <class S>
const std::string& Var<S>::name() const& noexcept {
  static const std::string none;
  return value_ != nullptr && value_->leaf ? value_->leaf->name : none;
}

template <class S>
void Var<S>::set_name(std::string name) {
  if (checked()->leaf == nullptr) throw TapeError("[Var::set_name] expected a parameter, got a constant");
  value_->leaf->name = std::move(name);
}

template class Var<float>;
template class Var<double>;

}  // namespace unroll
