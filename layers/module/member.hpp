// The kinds of a module's members, and the scalar type of a module.
#pragma once

#include <type_traits>
#include <vector>

#include "framework/var.hpp"

namespace unroll {

namespace detail {
template <class T>
inline constexpr bool is_parameter = false;
template <class S>
inline constexpr bool is_parameter<Var<S>> = true;
template <class T>
inline constexpr bool is_vector = false;
template <class T>
inline constexpr bool is_vector<std::vector<T>> = true;

template <class M>
struct ScalarOf;
template <template <class...> class M, class First, class... Rest>
struct ScalarOf<M<First, Rest...>> {
  using type = typename ScalarOf<First>::type;
};
template <template <class...> class M, class... Rest>
struct ScalarOf<M<float, Rest...>> {
  using type = float;
};
template <template <class...> class M, class... Rest>
struct ScalarOf<M<double, Rest...>> {
  using type = double;
};
template <class M>
requires requires { typename M::Scalar; }
struct ScalarOf<M> {
  using type = typename M::Scalar;
};
}  // namespace detail

// The scalar type of a module: its member type Scalar, or that of its first template argument.
template <class M>
using scalar_t = typename detail::ScalarOf<std::remove_cvref_t<M>>::type;

}  // namespace unroll
