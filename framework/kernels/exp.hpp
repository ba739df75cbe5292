// The exponential function of a batch, over the whole range. Internal: included by simd.hpp.
#pragma once

#include <cstdint>

#include "framework/kernels/batch.hpp"

namespace unroll::kernel::UNROLL_ISA {

template <class S>
struct ExpConstants;
template <>
struct ExpConstants<float> {
  using Bits = std::uint32_t;
  static constexpr int kMantissa = 23;
  static constexpr float kLow = -104.0F, kHigh = 89.0F;  // beyond: 0 and infinity
  static constexpr float kLog2High = 0x1.62e4p-1F, kLog2Low = 0x1.7f7d1cp-20F;
  static constexpr float kRound = 0x1.8p23F;
  static constexpr Bits kOne = 0x3f800000;
};
template <>
struct ExpConstants<double> {
  using Bits = std::uint64_t;
  static constexpr int kMantissa = 52;
  static constexpr double kLow = -746.0, kHigh = 710.0;
  static constexpr double kLog2High = 0x1.62e42fefa38p-1, kLog2Low = 0x1.ef35793c7673p-45;
  static constexpr double kRound = 0x1.8p52;
  static constexpr Bits kOne = 0x3ff0000000000000;
};

// exp(r) = 1 + r + r^2 p(r) for |r| <= log(2)/2: polynomials with the smallest relative error, 5e-10 and
// 4e-18, evaluated in independent pairs of terms.
inline Batch<float> exp_polynomial(const Batch<float>& r) {
  using V = Batch<float>;
  const V r2 = r * r;
  const V low = xsimd::fma(V(0.16666521157858649F), r, V(0.49999993533261866F));
  const V high = xsimd::fma(V(0.0083686745618268051F), r, V(0.041668377070882938F));
  const V p = xsimd::fma(xsimd::fma(V(0.0013814909586388686F), r2, high), r2, low);
  return xsimd::fma(p, r2, r) + 1.0F;
}
inline Batch<double> exp_polynomial(const Batch<double>& r) {
  using V = Batch<double>;
  const V r2 = r * r, r4 = r2 * r2;
  const V a = xsimd::fma(V(0.16666666666666416), r, V(0.500000000000001));
  const V b = xsimd::fma(V(0.0083333333334936009), r, V(0.041666666666535089));
  const V c = xsimd::fma(V(0.00019841269505901861), r, V(0.0013888888942528363));
  const V d = xsimd::fma(V(2.7557588520069979e-06), r, V(2.4801494095311003e-05));
  const V e = xsimd::fma(V(2.4999040838161982e-08), r, V(2.7629932952272511e-07));
  const V low = xsimd::fma(b, r2, a), high = xsimd::fma(xsimd::fma(e, r2, d), r2, c);
  return xsimd::fma(xsimd::fma(high, r4, low), r2, r) + 1.0;
}

// exp(a) = mantissa 2^k with k = round(a / log(2)) and mantissa = exp(a - k log(2)).
template <class S>
struct ExpParts {
  using V = Batch<S>;
  using Bits = xsimd::batch<typename ExpConstants<S>::Bits, typename V::arch_type>;

  V mantissa;
  Bits k;  // its low bits, as many as an exponent has and more

  explicit ExpParts(const V& a) {
    using C = ExpConstants<S>;
    // Adding kRound rounds, and the low bits of kRound + k are those of the integer k.
    const V round(C::kRound), shifted = xsimd::fma(a, V(S(1.44269504088896340736L)), round),
                              whole = shifted - round;
    mantissa = exp_polynomial(xsimd::fnma(whole, V(C::kLog2Low), xsimd::fnma(whole, V(C::kLog2High), a)));
    k = xsimd::bitwise_cast<Bits>(shifted);
  }
  // Returns 2^n; infinity above the largest exponent.
  static V power(const Bits& n) {
    return xsimd::bitwise_cast<V>((n << ExpConstants<S>::kMantissa) + Bits(ExpConstants<S>::kOne));
  }
};

// Accurate to 1.01 units in the last place, including subnormal results; xsimd 8.1's is infinite from 88.38
// (float) and 709.44 on, and 0 where the result would be subnormal.
template <class S>
Batch<S> exp(const Batch<S>& x) {
  using V = Batch<S>;
  using C = ExpConstants<S>;
  // If one operand is NaN, x86's minimum returns the second.
  const ExpParts<S> e(xsimd::max(V(C::kLow), xsimd::min(V(C::kHigh), x)));
  // 2^k in two factors, so that neither is infinite or zero if their product with exp(r) is not; multiplied,
  // so that NaN stays NaN.
  const auto half = e.k >> 1;
  return e.mantissa * e.power(half) * e.power(e.k - half);
}

// exp(a) for a from -87 (float) or -708 to kHigh: infinite where 2^k is, from 88.38 and 709.44 on.
template <class S>
Batch<S> exp_normal(const Batch<S>& a) {
  const ExpParts<S> e(a);
  return e.mantissa * e.power(e.k);
}

}  // namespace unroll::kernel::UNROLL_ISA
