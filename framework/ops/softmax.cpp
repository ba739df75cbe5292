#include "framework/kernels/axis_kernels.hpp"
#include "framework/ops.hpp"
#include "framework/ops/chain.hpp"
#include "framework/program/trace.hpp"

namespace unroll {
namespace {

using detail::chain;
using kernel::axis_kernels;

template <class S>
Var<S> along(typename kernel::AxisKernels<S>::Softmax f, const Var<S>& x, std::size_t axis) {
  const Shape& shape = x.shape();
  Var<S> y = Var<S>::uninitialized(shape);
  const std::size_t n = shape[axis];
  std::size_t inner = 1;
  for (std::size_t i = axis + 1; i < shape.size(); ++i) inner *= shape[i];
  if (x.size() == 0) return y;
  std::vector<S> scratch(kernel::softmax_scratch(n, inner));
  f(x.elements(), y.raw(), x.size() / (n * inner), n, inner, scratch.data());
  detail::trace_softmax<S>(f, x, y, axis);
  return y;
}

}  // namespace

template <class S>
Var<S> softmax(const Var<S>& x, Index axis) {
  const std::size_t i = normalize_axis("softmax", axis, x.dimension());
  Var<S> y = along(axis_kernels<S>().softmax, x, i);
  // dx = y (g - sum(g y))
  return record("softmax", y, input(x, [y, i](const Var<S>& g) {
                  const Var<S> gy = chain(g, y);
                  return gy - chain(sum(gy, {static_cast<Index>(i)}, true), y);
                }));
}

template <class S>
Var<S> log_softmax(const Var<S>& x, Index axis) {
  const std::size_t i = normalize_axis("log_softmax", axis, x.dimension());
  Var<S> y = along(axis_kernels<S>().log_softmax, x, i);
  // dx = g - exp(y) sum(g)
  return record("log_softmax", y, input(x, [y, i](const Var<S>& g) {
                  return g - chain(sum(g, {static_cast<Index>(i)}, true), exp(y));
                }));
}

template Var<float> softmax(const Var<float>&, Index);
template Var<double> softmax(const Var<double>&, Index);
template Var<float> log_softmax(const Var<float>&, Index);
template Var<double> log_softmax(const Var<double>&, Index);

}  // namespace unroll
