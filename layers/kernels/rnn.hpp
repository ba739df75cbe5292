// One hidden unit of an Elman RNN, forward and backward. Derivation: layers/rnn.md.
#pragma once

#include "framework/kernels/simd.hpp"
#include "layers/kernels/unit.hpp"

namespace unroll::bptt {

UNROLL_SIMD_TABLE(UnitKernel, rnn_kernel)

namespace UNROLL_ISA {

using kernel::UNROLL_ISA::tanh;

template <class S>
struct RnnUnit {
  static constexpr UnitLayout kLayout{.gates = 1, .keeps_gate = false};
  using V = kernel::UNROLL_ISA::Batch<S>;
  bool option;  // relu in place of tanh

  [[gnu::always_inline]] void forward(UnitStep<V, 1>& s) const {
    const V& a = s.gate[0];
    const V zero(S(0));
    s.h = option ? xsimd::select(a <= zero, zero, a) : tanh<S>(a);
  }

  // f' from the output: 1 - h^2 for tanh; for relu 1 where h > 0, 0 at 0.
  [[gnu::always_inline]] void backward(const UnitStep<V, 1>& s, UnitGradient<V, 1>& d) const {
    const V& h = s.h;
    const V zero(S(0));
    d.gate[0] = option ? xsimd::select(h > zero, d.h, zero) : d.h * (S(1) - h * h);
  }
};

}  // namespace UNROLL_ISA
}  // namespace unroll::bptt
