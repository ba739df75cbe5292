#include <cmath>

#include "framework/kernels/reduce.hpp"
#include "framework/ops.hpp"

namespace unroll {
namespace {

template <class S>
using Batch = kernel::Batch<S>;

enum class Form { kSoftmax, kLog };

// softmax: exp(x - m) / s with m = max(x), s = sum(exp(x - m)) along the axis.
// log_softmax: (x - m) - log(s); subtracted in this order, large logits lose no digits.

// One contiguous line.
template <Form form, class S>
void line(const S* x, S* y, std::size_t n) {
  const Batch<S> m(kernel::reduce_run<kernel::Larger<S>>(x, n));
  kernel::map(x, y, n, [m](const Batch<S>& a) { return xsimd::exp(a - m); });
  const S s = kernel::reduce_run<kernel::Add<S>>(y, n);
  if constexpr (form == Form::kSoftmax) {
    kernel::map(y, y, n, [d = Batch<S>(s)](const Batch<S>& a) { return a / d; });
  } else {
    kernel::map(x, y, n, [m, c = Batch<S>(std::log(s))](const Batch<S>& a) { return (a - m) - c; });
  }
}

// x (n, inner) -> y (n, inner), along the first axis; m and s have room for inner elements.
template <Form form, class S>
void lines_side_by_side(const S* x, S* y, std::size_t n, std::size_t inner, S* m, S* s) {
  kernel::reduce_axis<kernel::Larger<S>>(x, 1, n, inner, m);
  for (std::size_t i = 0; i < n; ++i) {
    kernel::map(x + i * inner, m, y + i * inner, inner,
                [](const Batch<S>& a, const Batch<S>& b) { return xsimd::exp(a - b); });
  }
  kernel::reduce_axis<kernel::Add<S>>(y, 1, n, inner, s);
  if constexpr (form == Form::kLog) kernel::map(s, s, inner, [](const Batch<S>& a) { return xsimd::log(a); });
  for (std::size_t i = 0; i < n; ++i) {
    S* row = y + i * inner;
    if constexpr (form == Form::kSoftmax) {
      kernel::map(row, s, row, inner, [](const Batch<S>& a, const Batch<S>& b) { return a / b; });
    } else {
      kernel::map(x + i * inner, m, row, inner, [](const Batch<S>& a, const Batch<S>& b) { return a - b; });
      kernel::map(row, s, row, inner, [](const Batch<S>& a, const Batch<S>& b) { return a - b; });
    }
  }
}

template <Form form, class S>
Var<S> along(const Var<S>& x, std::size_t axis) {
  const Shape& shape = x.shape();
  Var<S> y = Var<S>::uninitialized(shape);
  S* out = y.get()->data.data();
  const std::size_t n = shape[axis];
  std::size_t inner = 1;
  for (std::size_t i = axis + 1; i < shape.size(); ++i) inner *= shape[i];
  if (x.size() == 0) return y;
  if (inner == 1) {
    for (std::size_t at = 0; at < x.size(); at += n) line<form>(x.data() + at, out + at, n);
  } else {
    Tensor<S> reduced(Shape{2, inner});
    for (std::size_t at = 0; at < x.size(); at += n * inner) {
      lines_side_by_side<form>(x.data() + at, out + at, n, inner, reduced.data(), reduced.data() + inner);
    }
  }
  return y;
}

}  // namespace

template <class S>
Var<S> softmax(const Var<S>& x, Index axis) {
  const std::size_t i = normalize_axis("softmax", axis, x.dimension());
  Var<S> y = along<Form::kSoftmax>(x, i);
  // dx = y (g - sum(g y))
  return record("softmax", y, input(x, [y, i](const Var<S>& g) {
                  const Var<S> gy = g * y;
                  return gy - y * sum(gy, {static_cast<Index>(i)}, true);
                }));
}

template <class S>
Var<S> log_softmax(const Var<S>& x, Index axis) {
  const std::size_t i = normalize_axis("log_softmax", axis, x.dimension());
  Var<S> y = along<Form::kLog>(x, i);
  // dx = g - exp(y) sum(g)
  return record("log_softmax", y, input(x, [y, i](const Var<S>& g) {
                  return g - exp(y) * sum(g, {static_cast<Index>(i)}, true);
                }));
}

template Var<float> softmax(const Var<float>&, Index);
template Var<double> softmax(const Var<double>&, Index);
template Var<float> log_softmax(const Var<float>&, Index);
template Var<double> log_softmax(const Var<double>&, Index);

}  // namespace unroll
