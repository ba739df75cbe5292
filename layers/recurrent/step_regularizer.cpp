#include "layers/recurrent/step_regularizer.hpp"

namespace unroll {

template <class S>
Var<S> zoneout(const Var<S>& before, const Var<S>& after, double p, bool training, Rng& rng) {
  if (p == 0.0) return after;
  if (!training) return p * before + (1.0 - p) * after;
  Mask keep(after.shape());
  for (std::size_t i = 0; i < keep.size(); ++i) keep.data()[i] = rng.uniform() < p;
  return where(keep, before, after);
}

template Var<float> zoneout(const Var<float>&, const Var<float>&, double, bool, Rng&);
template Var<double> zoneout(const Var<double>&, const Var<double>&, double, bool, Rng&);

}  // namespace unroll
