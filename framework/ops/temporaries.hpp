// Arithmetic on temporaries: while nothing records, a result of the operands' shape is written over an
// operand that nothing else holds, such as b * c in a + b * c. Otherwise these are the operators of ops.hpp.
#pragma once

#include <concepts>
#include <cstdint>
#include <type_traits>
#include <utility>

#include "framework/tape.hpp"

namespace unroll {

namespace detail {

template <class T>
inline constexpr bool is_var = false;
template <class S>
inline constexpr bool is_var<Var<S>> = true;
// Two operands of one scalar type, at least one of them a temporary.
template <class Y, class X>
concept TemporaryWith = is_var<std::remove_cvref_t<X>> &&
    std::same_as<std::remove_cvref_t<X>, std::remove_cvref_t<Y>> &&
    (std::same_as<X, std::remove_cvref_t<X>> || std::same_as<Y, std::remove_cvref_t<Y>>);
template <class X>
using VarOf = std::remove_cvref_t<X>;

enum class Arithmetic : std::uint8_t { add, subtract, multiply, divide };
// For operands of one shape, of which one is a temporary, while no op is watched.
template <class S>
Var<S> combine(Arithmetic op, Var<S>&& x, Var<S>&& y);
template <class S>
Var<S> combine(Arithmetic op, Var<S>&& x, const Var<S>& y);
template <class S>
Var<S> combine(Arithmetic op, const Var<S>& x, Var<S>&& y);

}  // namespace detail

template <class X, detail::TemporaryWith<X> Y>
detail::VarOf<X> operator+(X&& x, Y&& y) {
  if (detail::ops_are_watched() || !have_same_shape(x, y)) return std::as_const(x) + std::as_const(y);
  return detail::combine(detail::Arithmetic::add, std::forward<X>(x), std::forward<Y>(y));
}
template <class X, detail::TemporaryWith<X> Y>
detail::VarOf<X> operator-(X&& x, Y&& y) {
  if (detail::ops_are_watched() || !have_same_shape(x, y)) return std::as_const(x) - std::as_const(y);
  return detail::combine(detail::Arithmetic::subtract, std::forward<X>(x), std::forward<Y>(y));
}
template <class X, detail::TemporaryWith<X> Y>
detail::VarOf<X> operator*(X&& x, Y&& y) {
  if (detail::ops_are_watched() || !have_same_shape(x, y)) return std::as_const(x) * std::as_const(y);
  return detail::combine(detail::Arithmetic::multiply, std::forward<X>(x), std::forward<Y>(y));
}
template <class X, detail::TemporaryWith<X> Y>
detail::VarOf<X> operator/(X&& x, Y&& y) {
  if (detail::ops_are_watched() || !have_same_shape(x, y)) return std::as_const(x) / std::as_const(y);
  return detail::combine(detail::Arithmetic::divide, std::forward<X>(x), std::forward<Y>(y));
}
template <class S>
Var<S> operator*(Var<S>&& x, double c);

}  // namespace unroll
