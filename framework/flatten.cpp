#include "framework/flatten.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "framework/errors.hpp"

namespace unroll {
namespace {

template <class S>
std::size_t count(const std::vector<Var<S>>& values) {
  std::size_t elements = 0;
  for (const auto& value : values) elements += value.size();
  return elements;
}

}  // namespace

template <class S>
Tensor<S> flatten(const std::vector<Var<S>>& values) {
  Tensor<S> flat(Shape{count(values)});
  S* out = flat.data();
  for (const auto& value : values) out = std::copy_n(value.data(), value.size(), out);
  return flat;
}

template <class S>
Tensor<S> flatten_gradients(const std::vector<Var<S>>& parameters) {
  Tensor<S> flat(Shape{count(parameters)});
  S* out = flat.data();
  for (const auto& p : parameters) {
    if (p.has_grad() && p.grad().shape() != p.shape()) {
      throw ShapeError(
          fmt::format("[flatten_gradients] gradient of '{}': expected the parameter's shape {}, got {}",
                      p.name(), to_string(p.shape()), to_string(p.grad().shape())));
    }
    out = p.has_grad() ? std::copy_n(p.grad().data(), p.size(), out) : std::fill_n(out, p.size(), S(0));
  }
  return flat;
}

template <class S>
void unflatten(const Tensor<S>& flat, const std::vector<Var<S>>& values) {
  if (flat.size() != count(values)) {
    throw ShapeError(fmt::format("[unflatten] flat: expected {} elements (of all values together), got {}",
                                 count(values), flat.size()));
  }
  const S* in = flat.data();
  for (Var<S> value : values) {
    std::copy_n(in, value.size(), value.mutable_value().data());
    in += value.size();
  }
}

#define UNROLL_INSTANTIATE(S)                                       \
  template Tensor<S> flatten(const std::vector<Var<S>>&);           \
  template Tensor<S> flatten_gradients(const std::vector<Var<S>>&); \
  template void unflatten(const Tensor<S>&, const std::vector<Var<S>>&);
UNROLL_INSTANTIATE(float)
UNROLL_INSTANTIATE(double)
#undef UNROLL_INSTANTIATE

}  // namespace unroll
