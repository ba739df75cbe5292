// Internal to ops: element-wise functions without a gradient rule.
#pragma once

#include <cstddef>
#include <type_traits>
#include <utility>

#include "framework/program/trace.hpp"

namespace unroll::detail {

// Returns whether a result may be written over x: nothing else holds it, and no op is watched.
template <class S>
bool is_spare(const Var<S>& x) noexcept {
  const Value<S>* value = x.get();
  return value != nullptr && value->references == 1 && value->leaf == nullptr && !ops_are_watched();
}

// Takes a spare value for a result in its place. What tapes know of the earlier value does not hold for it.
template <class S>
Var<S> reuse(Var<S>&& x) noexcept {
  Value<S>& value = *x.get();
  value.node = kNoNode;
  value.tape = value.reader = 0;
  return std::move(x);
}

// Returns f (one of kernel::Pointwise) of every element; constants are the parameters of f.
template <class S, class... Constants>
Var<S> apply(const Var<S>& x, void (*f)(const S*, S*, std::size_t, Constants...) noexcept,
             std::type_identity_t<Constants>... constants) {
  Var<S> y = Var<S>::uninitialized_like(x);
  f(x.elements(), y.raw(), x.size(), constants...);
  trace_unary(x, y, f, constants...);
  return y;
}

// Returns f(a, b), written over `place` if that is spare, otherwise a new value of its shape. One of a and b,
// or both, are the elements of `place`.
template <class S>
[[gnu::always_inline]] inline Var<S> apply_over(Var<S>&& place, const Var<S>& a, const Var<S>& b,
                                                const typename kernel::Pointwise<S>::Binary& f) {
  if (is_spare(place)) {
    f.same(a.elements(), b.elements(), place.raw(), place.size());
    return reuse(std::move(place));
  }
  Var<S> z = Var<S>::uninitialized_like(place);
  f.same(a.elements(), b.elements(), z.raw(), z.size());
  trace_binary(a, b, z, f);
  return z;
}

}  // namespace unroll::detail
