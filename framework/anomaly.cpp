#include "framework/anomaly.hpp"

#include <fmt/format.h>

#include <cmath>

#include "framework/errors.hpp"

namespace unroll {
namespace {

constinit thread_local LayerScope* innermost = nullptr;

template <class S>
std::size_t first_nonfinite(const Tensor<S>& tensor) noexcept {
  const S* data = tensor.data();
  std::size_t i = 0;
  while (i < tensor.size() && std::isfinite(data[i])) ++i;
  return i;
}

// "nan at (1,2) of shape (3,4)"
template <class S>
std::string describe_element(const Tensor<S>& tensor, std::size_t flat) {
  Shape position = tensor.shape();
  std::size_t rest = flat;
  for (std::size_t axis = position.size(); axis-- > 0;) {
    const std::size_t size = tensor.shape()[axis];
    position[axis] = rest % size;
    rest /= size;
  }
  const S value = tensor.data()[flat];
  const char* what = std::isnan(value) ? "nan" : value > 0 ? "+infinity" : "-infinity";
  return fmt::format("{} at {} of shape {}", what, to_string(position), to_string(tensor.shape()));
}

std::string in_context(const std::string& context) { return context.empty() ? "" : " in " + context; }

}  // namespace

LayerScope::LayerScope(const char* kind, std::string_view parameter_name)
    : kind_(kind), parameter_name_(parameter_name), outer_(innermost), tracker_(detail::memory_tracker) {
  if (tracker_ != nullptr) [[unlikely]]
    detail::enter_layer(*tracker_, kind, parameter_name);
  innermost = this;
}

LayerScope::~LayerScope() {
  innermost = outer_;
  if (tracker_ != nullptr && tracker_ == detail::memory_tracker) [[unlikely]]
    detail::leave_layer(*tracker_);
}

std::string LayerScope::describe() {
  std::string text;
  for (const LayerScope* scope = innermost; scope != nullptr; scope = scope->outer_) {
    const auto dot = scope->parameter_name_.rfind('.');
    std::string one =
        dot == std::string_view::npos
            ? std::string(scope->kind_)
            : fmt::format("layer '{}' ({})", scope->parameter_name_.substr(0, dot), scope->kind_);
    if (scope->step_ >= 0) one += fmt::format(", time step {}", scope->step_);
    text = text.empty() ? one : one + " / " + text;
  }
  return text;
}

namespace detail {

template <class S>
bool is_finite(const Var<S>& var) noexcept {
  return !var.defined() || first_nonfinite(var.value()) == var.size();
}

template <class S>
void check_forward(const char* op, const Var<S>& output, std::span<const CheckedInput> inputs) {
  const std::size_t bad = first_nonfinite(output.value());
  if (bad == output.size()) return;
  std::string cause = "from finite inputs";
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    if (inputs[i].finite) continue;
    cause = inputs[i].name.empty() ? fmt::format("since input {} is already not finite", i)
                                   : fmt::format("since parameter '{}' is not finite", inputs[i].name);
    break;
  }
  throw NonfiniteError(fmt::format("[{}] forward: {}{}, {}", op, describe_element(output.value(), bad),
                                   in_context(LayerScope::describe()), cause));
}

template <class S>
void check_backward(const Tape& tape, const char* op, std::uint32_t node, std::uint32_t parent,
                    const Var<S>& g) {
  if (!g.defined()) return;
  const std::size_t bad = first_nonfinite(g.value());
  if (bad == g.size()) return;
  const auto context = tape.contexts_.find(node);
  std::string target;
  for (const auto& leaf : std::get<PooledVector<Var<S>>>(tape.leaves_)) {
    if (leaf.get()->tape == tape.serial() && leaf.get()->node == parent && !leaf.name().empty()) {
      target = fmt::format(" of parameter '{}'", leaf.name());
    }
  }
  throw NonfiniteError(fmt::format("[{}] backward: gradient{} is {}{}", op, target,
                                   describe_element(g.value(), bad),
                                   in_context(context == tape.contexts_.end() ? "" : context->second)));
}

template bool is_finite(const Var<float>&) noexcept;
template bool is_finite(const Var<double>&) noexcept;
template void check_forward(const char*, const Var<float>&, std::span<const CheckedInput>);
template void check_forward(const char*, const Var<double>&, std::span<const CheckedInput>);
template void check_backward(const Tape&, const char*, std::uint32_t, std::uint32_t, const Var<float>&);
template void check_backward(const Tape&, const char*, std::uint32_t, std::uint32_t, const Var<double>&);

}  // namespace detail
}  // namespace unroll
