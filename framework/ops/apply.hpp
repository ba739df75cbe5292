// Internal to ops: an element-wise function as a value without a rule.
#pragma once

#include <cstddef>
#include <type_traits>

#include "framework/var.hpp"

namespace unroll::detail {

// f (one of kernel::Pointwise) of every element; constants are those that f takes.
template <class S, class... Constants>
Var<S> apply(const Var<S>& x, void (*f)(const S*, S*, std::size_t, Constants...) noexcept,
             std::type_identity_t<Constants>... constants) {
  Var<S> y = Var<S>::uninitialized(x.shape());
  f(x.data(), y.raw(), x.size(), constants...);
  return y;
}

}  // namespace unroll::detail
