// One hidden unit of a GRU, forward and backward, for both places of the reset. Derivation: layers/gru.md.
#pragma once

#include "framework/kernels/simd.hpp"
#include "layers/kernels/unit.hpp"

namespace unroll::bptt {

UNROLL_SIMD_TABLE(UnitKernel, gru_after_kernel)
UNROLL_SIMD_TABLE(UnitKernel, gru_before_kernel)

namespace UNROLL_ISA {

using kernel::UNROLL_ISA::sigmoid;
using kernel::UNROLL_ISA::tanh;

// Common to both: h' mixes h and n by z.
template <class S>
struct GruMixture {
  using V = kernel::UNROLL_ISA::Batch<S>;
  bool option;  // z keeps

  [[gnu::always_inline]] void mix(UnitStep<V, 3>& s) const {
    const auto& [r, z, n] = s.gate;
    s.h = option ? n + z * (s.h - n) : s.h + z * (n - s.h);
  }
  [[gnu::always_inline]] void mix_backward(const UnitStep<V, 3>& s, UnitGradient<V, 3>& d) const {
    const auto& [r, z, n] = s.gate;
    const V difference = s.h - n;  // d h' / d z when z keeps
    const V dz = option ? d.h * difference : -(d.h * difference);
    const V keep = option ? z : S(1) - z;
    const V dn = d.h * (S(1) - keep);
    d.gate[1] = dz * z * (S(1) - z);
    d.gate[2] = dn * (S(1) - n * n);
    d.h = d.h * keep;
  }
};

template <class S>
struct GruAfterUnit : GruMixture<S> {
  static constexpr UnitLayout kLayout{.gates = 3, .candidate = Candidate::apart, .mixes_h = true};
  using typename GruMixture<S>::V;

  [[gnu::always_inline]] void forward(UnitStep<V, 3>& s) const {
    auto& [r, z, n] = s.gate;
    r = sigmoid<S>(r);
    z = sigmoid<S>(z);
    n = tanh<S>(n + r * s.candidate);
    this->mix(s);
  }

  [[gnu::always_inline]] void backward(const UnitStep<V, 3>& s, UnitGradient<V, 3>& d) const {
    this->mix_backward(s, d);
    const V r = s.gate[0], dn = d.gate[2];
    d.gate[0] = dn * s.candidate * r * (S(1) - r);
    d.candidate = dn * r;
  }
};

template <class S>
struct GruBeforeUnit : GruMixture<S> {
  static constexpr UnitLayout kLayout{.gates = 3, .candidate = Candidate::reads, .mixes_h = true};
  using typename GruMixture<S>::V;

  [[gnu::always_inline]] void read(UnitStep<V, 3>& s) const {
    auto& [r, z, n] = s.gate;
    r = sigmoid<S>(r);
    z = sigmoid<S>(z);
    s.candidate = r * s.h;
  }
  [[gnu::always_inline]] void forward(UnitStep<V, 3>& s) const {
    s.gate[2] = tanh<S>(s.gate[2]);
    this->mix(s);
  }

  [[gnu::always_inline]] void backward(const UnitStep<V, 3>& s, UnitGradient<V, 3>& d) const {
    this->mix_backward(s, d);
    d.gate[0] = V(S(0));
  }
  [[gnu::always_inline]] void read_backward(const UnitStep<V, 3>& s, UnitGradient<V, 3>& d) const {
    const V& r = s.gate[0];
    d.gate[0] = d.candidate * s.h * r * (S(1) - r);
    d.h += d.candidate * r;
  }
};

}  // namespace UNROLL_ISA
}  // namespace unroll::bptt
