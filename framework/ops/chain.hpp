// Internal to ops and losses: products in which 0 wins over infinity and NaN.
#pragma once

#include "framework/var.hpp"

namespace unroll::detail {

// g d and g / d, but exactly 0 where g is 0, also if d (or 1 / d) is infinite or NaN; shapes broadcast. The
// chain rule with upstream gradient g: a value that does not affect the output has gradient 0, however steep
// the op is there. Where g is 0, the gradient of d is also 0: second derivatives follow the same rule. The
// factor that decides comes first: a share, sign or weight of 0 also removes the gradient.
template <class S>
Var<S> chain(const Var<S>& g, const Var<S>& d);
// Writes the product over g if nothing else holds g.
template <class S>
Var<S> chain(Var<S>&& g, const Var<S>& d);
template <class S>
Var<S> chain(const Var<S>& g, double d);
template <class S>
Var<S> chain_over(const Var<S>& g, const Var<S>& d);
template <class S>
Var<S> chain_over(const Var<S>& g, double d);

}  // namespace unroll::detail
