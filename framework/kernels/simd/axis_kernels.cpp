#include "framework/kernels/axis_kernels.hpp"

#include <cmath>

#include "framework/kernels/simd/fold.hpp"

namespace unroll::kernel::UNROLL_ISA {
namespace {

enum class Form { kSoftmax, kLog };

// A contiguous run along the axis.
template <Form form, class S>
void line(const S* x, S* y, std::size_t n) {
  const Batch<S> m(reduce_run<Larger<S>>(x, n));
  map(x, y, n, [m](const Batch<S>& a) { return exp<S>(a - m); });
  const S s = reduce_run<Add<S>>(y, n);
  if constexpr (form == Form::kSoftmax) {
    map(y, y, n, [d = Batch<S>(s)](const Batch<S>& a) { return a / d; });
  } else {
    map(x, y, n, [m, c = Batch<S>(std::log(s))](const Batch<S>& a) { return (a - m) - c; });
  }
}

// x (n, inner) -> y (n, inner), along the first axis.
template <Form form, class S>
void lines_side_by_side(const S* x, S* y, std::size_t n, std::size_t inner, S* scratch) {
  S *m = scratch, *s = scratch + inner;
  reduce_axis<Larger<S>>(x, 1, n, inner, m, scratch + 2 * inner);
  for (std::size_t i = 0; i < n; ++i) {
    map(x + i * inner, m, y + i * inner, inner,
        [](const Batch<S>& a, const Batch<S>& b) { return exp<S>(a - b); });
  }
  reduce_axis<Add<S>>(y, 1, n, inner, s, scratch + 2 * inner);
  if constexpr (form == Form::kLog) map(s, s, inner, [](const Batch<S>& a) { return xsimd::log(a); });
  for (std::size_t i = 0; i < n; ++i) {
    S* row = y + i * inner;
    if constexpr (form == Form::kSoftmax) {
      map(row, s, row, inner, [](const Batch<S>& a, const Batch<S>& b) { return a / b; });
    } else {
      map(x + i * inner, m, row, inner, [](const Batch<S>& a, const Batch<S>& b) { return a - b; });
      map(row, s, row, inner, [](const Batch<S>& a, const Batch<S>& b) { return a - b; });
    }
  }
}

template <Form form, class S>
void softmax(const S* x, S* y, std::size_t outer, std::size_t n, std::size_t inner, S* scratch) noexcept {
  for (std::size_t i = 0; i < outer; ++i, x += n * inner, y += n * inner) {
    if (inner == 1) {
      line<form>(x, y, n);
    } else {
      lines_side_by_side<form>(x, y, n, inner, scratch);
    }
  }
}

// Sum of f over a row; lanes are summed separately, so rounding grows with n / lanes.
template <class S, class F>
S row_sum(const S* x, std::size_t n, F f) {
  Batch<S> lanes(S(0));
  std::size_t i = 0;
  for (; i + Batch<S>::size <= n; i += Batch<S>::size) lanes += f(Batch<S>::load_unaligned(x + i));
  S total = xsimd::hadd(lanes);
  for (; i < n; ++i) total += f(x[i]);
  return total;
}

template <class S>
void standardize(const S* x, std::size_t rows, std::size_t n, S eps, S* z, S* reciprocal) noexcept {
  const S share = S(1) / static_cast<S>(n);
  for (std::size_t row = 0; row < rows; ++row, x += n, z += n) {
    const S mean = row_sum(x, n, [](const auto& a) { return a; }) * share;
    const S variance = row_sum(x, n, [mean](const auto& a) { return (a - mean) * (a - mean); }) * share;
    const S r = S(1) / std::sqrt(variance + eps);
    reciprocal[row] = r;
    map(x, z, n, [mean, r](const Batch<S>& a) { return (a - mean) * r; });
  }
}

template <class S>
constexpr AxisKernels<S> axis_functions() {
  return {.softmax = softmax<Form::kSoftmax, S>,
          .log_softmax = softmax<Form::kLog, S>,
          .standardize = standardize<S>};
}

}  // namespace

constinit const ForScalars<AxisKernels> axis_kernels_table{axis_functions<float>(), axis_functions<double>()};

}  // namespace unroll::kernel::UNROLL_ISA
