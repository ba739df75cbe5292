// Sigmoid and tanh of a batch, shared by all kernels. Internal: included by simd.hpp.
#pragma once

#include "framework/kernels/exp.hpp"

namespace unroll::kernel::UNROLL_ISA {

// Always inlined: a call would spill all registers, including the constants, to memory.

// 1 / (1 + exp(-x)). 0 below -88.3 (float) and -709.4, where the result would be subnormal.
template <class S>
[[gnu::always_inline]] inline Batch<S> sigmoid(const Batch<S>& x) {
  using V = Batch<S>;
  // From 50 on the result is 1 in both types. The order keeps NaN, as in exp().
  const V a = xsimd::max(V(S(-50)), xsimd::min(V(ExpConstants<S>::kHigh), -x));
  return S(1) / (S(1) + exp_normal<S>(a));
}

template <class S>
[[gnu::always_inline]] inline Batch<S> tanh(const Batch<S>& x) {
  return xsimd::tanh(x);
}
// One branch. xsimd 8.1 runs two, one after the other, if the batch has small and large elements, and a time
// loop waits for both.
template <>
[[gnu::always_inline]] inline Batch<float> tanh<float>(const Batch<float>& x) {
  using V = Batch<float>;
  const V size = xsimd::abs(x), square = x * x;
  // Small: x + x^3 p(x^2), with the smallest relative error, 1.4e-9.
  const V square2 = square * square;
  const V low = xsimd::fma(V(0.13332452278376389F), square, V(-0.33333313888502924F));
  const V high = xsimd::fma(V(0.021007460164622746F), square, V(-0.053837430596669446F));
  const V p = xsimd::fma(xsimd::fma(V(-0.006179811361566952F), square2, high), square2, low);
  const V small = xsimd::fma(square * x, p, x);
  const auto is_small = size < V(0.5625F);
  if (xsimd::all(is_small)) return small;
  // Large: 1 - 2 / (exp(2 |x|) + 1), the second term below one half. From 10 on the result is 1.
  const V a = xsimd::min(V(10.0F), size);
  const V large = 1.0F - 2.0F / (1.0F + exp_normal<float>(a + a));
  return xsimd::select(is_small, small, large | xsimd::bitofsign(x));
}

}  // namespace unroll::kernel::UNROLL_ISA
