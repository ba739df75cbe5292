#include "framework/map.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "framework/errors.hpp"
#include "framework/kernels/pointwise.hpp"

namespace unroll {
namespace {

// In the order of Elementwise.
template <class S>
constexpr typename kernel::Pointwise<S>::Unary kernel::Pointwise<S>::*kFunctions[] = {
    &kernel::Pointwise<S>::negate,     &kernel::Pointwise<S>::exp,      &kernel::Pointwise<S>::log,
    &kernel::Pointwise<S>::sqrt,       &kernel::Pointwise<S>::square,   &kernel::Pointwise<S>::abs,
    &kernel::Pointwise<S>::sign,       &kernel::Pointwise<S>::sin,      &kernel::Pointwise<S>::cos,
    &kernel::Pointwise<S>::tanh,       &kernel::Pointwise<S>::sigmoid,  &kernel::Pointwise<S>::gelu,
    &kernel::Pointwise<S>::normal_cdf, &kernel::Pointwise<S>::softplus, &kernel::Pointwise<S>::relu};

}  // namespace

template <class S>
void map(std::initializer_list<Elementwise> chain, std::span<const S> x, std::span<S> y) {
  if (x.size() != y.size())
    throw ShapeError(fmt::format("[map] y: expected {} numbers (as many as x), got {}", x.size(), y.size()));
  constexpr std::size_t kBlock = 512;  // stays in the first-level cache from function to function
  for (std::size_t at = 0; at < x.size(); at += kBlock) {
    const std::size_t n = std::min(kBlock, x.size() - at);
    const S* from = x.data() + at;
    S* to = y.data() + at;
    if (chain.size() == 0 && from != to) std::copy_n(from, n, to);
    for (const Elementwise f : chain) {
      (kernel::pointwise<S>().*kFunctions<S>[static_cast<std::size_t>(f)])(from, to, n);
      from = to;
    }
  }
}

template void map(std::initializer_list<Elementwise>, std::span<const float>, std::span<float>);
template void map(std::initializer_list<Elementwise>, std::span<const double>, std::span<double>);

}  // namespace unroll
