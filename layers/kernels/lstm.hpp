// One hidden unit of an LSTM, forward and backward. Derivation: layers/lstm.md.
#pragma once

#include "framework/kernels/simd.hpp"
#include "layers/kernels/unit.hpp"

namespace unroll::bptt {

UNROLL_SIMD_TABLE(UnitKernel, lstm_kernel)

namespace UNROLL_ISA {

using kernel::UNROLL_ISA::sigmoid;
using kernel::UNROLL_ISA::tanh;

template <class S>
struct LstmUnit {
  static constexpr UnitLayout kLayout{.gates = 4, .has_cell = true};
  using V = kernel::UNROLL_ISA::Batch<S>;

  [[gnu::always_inline]] void forward(UnitStep<V, 4>& s) const {
    auto& [i, f, g, o] = s.gate;
    i = sigmoid<S>(i);
    f = sigmoid<S>(f);
    g = tanh<S>(g);
    o = sigmoid<S>(o);
    s.c = f * s.c + i * g;
    s.tanh_c = tanh<S>(s.c);
    s.h = o * s.tanh_c;
  }

  [[gnu::always_inline]] void backward(const UnitStep<V, 4>& s, UnitGradient<V, 4>& d) const {
    const auto& [i, f, g, o] = s.gate;
    auto& [da_i, da_f, da_g, da_o] = d.gate;
    const V d_o = d.h * s.tanh_c;
    const V d_c = d.c + d.h * o * (S(1) - s.tanh_c * s.tanh_c);
    da_i = d_c * g * i * (S(1) - i);
    da_f = d_c * s.c * f * (S(1) - f);
    da_g = d_c * i * (S(1) - g * g);
    da_o = d_o * o * (S(1) - o);
    d.c = d_c * f;
  }
};

}  // namespace UNROLL_ISA
}  // namespace unroll::bptt
