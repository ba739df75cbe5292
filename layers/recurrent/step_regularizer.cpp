#include "layers/recurrent/step_regularizer.hpp"

#include "framework/ops/chain.hpp"

namespace unroll::detail {

template <class S>
Var<S> mix(const Var<S>& keep, const Var<S>& before, const Var<S>& after) {
  // A value that is not taken may be infinite.
  return chain(keep, before) + chain(1.0 - keep, after);
}

template Var<float> mix(const Var<float>&, const Var<float>&, const Var<float>&);
template Var<double> mix(const Var<double>&, const Var<double>&, const Var<double>&);

}  // namespace unroll::detail
