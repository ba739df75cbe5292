// One hidden unit of a minimal gated unit, forward and backward. Derivation: layers/mgu.md.
#pragma once

#include "framework/kernels/simd.hpp"
#include "layers/kernels/unit.hpp"

namespace unroll::bptt {

UNROLL_SIMD_TABLE(UnitKernel, mgu_kernel)

namespace UNROLL_ISA {

using kernel::UNROLL_ISA::sigmoid;
using kernel::UNROLL_ISA::tanh;

template <class S>
struct MguUnit {
  static constexpr UnitLayout kLayout{.gates = 2, .candidate = Candidate::reads, .mixes_h = true};
  using V = kernel::UNROLL_ISA::Batch<S>;

  [[gnu::always_inline]] void read(UnitStep<V, 2>& s) const {
    V& f = s.gate[0];
    f = sigmoid<S>(f);
    s.candidate = f * s.h;
  }
  [[gnu::always_inline]] void forward(UnitStep<V, 2>& s) const {
    auto& [f, n] = s.gate;
    n = tanh<S>(n);
    s.h = s.h + f * (n - s.h);
  }

  [[gnu::always_inline]] void backward(const UnitStep<V, 2>& s, UnitGradient<V, 2>& d) const {
    const auto& [f, n] = s.gate;
    d.gate[0] = d.h * (n - s.h);  // of f itself: read_backward() completes it
    d.gate[1] = d.h * f * (S(1) - n * n);
    d.h = d.h * (S(1) - f);
  }
  [[gnu::always_inline]] void read_backward(const UnitStep<V, 2>& s, UnitGradient<V, 2>& d) const {
    const V& f = s.gate[0];
    d.gate[0] = (d.gate[0] + d.candidate * s.h) * f * (S(1) - f);
    d.h += d.candidate * f;
  }
};

}  // namespace UNROLL_ISA
}  // namespace unroll::bptt
