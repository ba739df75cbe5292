#include "layers/dropout.hpp"

#include <fmt/format.h>

#include "framework/errors.hpp"

namespace unroll {

template <class S>
Dropout<S>::Dropout(double probability, Rng& source) : p(probability), rng(source.split()) {
  if (!(p >= 0.0 && p <= 1.0)) throw ArgumentError(fmt::format("[Dropout] p: expected 0..1, got {}", p));
}

template <class S>
Var<S> Dropout<S>::operator()(const Var<S>& x) const {
  return training && p > 0.0 ? dropout(x, p, rng) : x;
}

template <class S>
std::string Dropout<S>::extra_repr() const {
  return fmt::format("p = {}", p);
}

template struct Dropout<float>;
template struct Dropout<double>;

}  // namespace unroll
