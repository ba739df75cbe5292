// Internal to ops: element-wise functions without a gradient rule.
#pragma once

#include <cstddef>
#include <type_traits>

#include "framework/var.hpp"

namespace unroll::detail {

// Returns f (one of kernel::Pointwise) of every element; constants are the parameters of f.
template <class S, class... Constants>
Var<S> apply(const Var<S>& x, void (*f)(const S*, S*, std::size_t, Constants...) noexcept,
             std::type_identity_t<Constants>... constants) {
  Var<S> y = Var<S>::uninitialized(x.shape());
  f(x.data(), y.raw(), x.size(), constants...);
  return y;
}

}  // namespace unroll::detail
