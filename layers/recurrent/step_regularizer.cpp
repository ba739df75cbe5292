#include "layers/recurrent/step_regularizer.hpp"

#include "framework/ops/chain.hpp"
#include "layers/recurrent/options.hpp"

namespace unroll::detail {

StepRegularizer::StepRegularizer(const RecurrentOptions& options, bool training)
    : drops_(training && options.recurrent_dropout > 0.0),
      draws_(training),
      dropout_(options.recurrent_dropout),
      zoneout_hidden_(options.zoneout_hidden),
      zoneout_cell_(options.zoneout_cell) {}

template <class S>
Var<S> mix(const Var<S>& keep, const Var<S>& before, const Var<S>& after) {
  // A value that is not taken may be infinite.
  return chain(keep, before) + chain(1.0 - keep, after);
}

template Var<float> mix(const Var<float>&, const Var<float>&, const Var<float>&);
template Var<double> mix(const Var<double>&, const Var<double>&, const Var<double>&);

}  // namespace unroll::detail
