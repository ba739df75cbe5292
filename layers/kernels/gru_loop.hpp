// The GRU's loops over time on plain pointers, for every instruction set. Internal to gru.cpp.
#pragma once

#include "framework/kernels/packing.hpp"
#include "layers/kernels/time_loop.hpp"
#include "layers/kernels/unit_range.hpp"

namespace unroll::bptt {

// N packed rows, B sequences, gates r z n. Weights are packed (kernels/packed_gemm.hpp), the
// candidate's apart: with reset before it is multiplied by another vector.
template <class S>
struct GruForwardLoop {
  TimeLoop steps;
  UnitRange units;
  std::size_t H;
  bool reset_after, z_keeps;
  kernel::Panels<S> weight_rz;  // the first two thirds of W_hh, transposed (H,2H)
  kernel::Panels<S> weight_n;   // the last third, transposed (H,H)
  const S* bias;                // (3H) what is added to the pre-activations outside the reset
  const S* bias_hn;             // (H) added inside it, reset after only
  S* gates;                     // (N,3H) W_ih x in, r z n out
  S* candidate;                 // (N,H) reset after: W_hn h + b_hn; before: r h
  S* output;                    // (N,H)
  S* h;                         // (B,H) runs through time
};

template <class S>
struct GruBackwardLoop {
  TimeLoop steps;
  UnitRange units;
  std::size_t H;
  bool reset_after, z_keeps;
  kernel::Panels<S> weight_rz;  // the first two thirds of W_hh (2H,H)
  kernel::Panels<S> weight_n;   // the last third (H,H)
  const S* gates;               // (N,3H)
  const S* candidate;           // (N,H)
  const S* output;              // (N,H)
  const S* h0;                  // (B,H)
  const S* up_output;           // (N,H) gradient from above, or null
  bool state_wanted;            // dh of the initial state
  S* dh;                        // (B,H) runs back through time
  S* da;                        // (N,3H) gradient of W_ih x + b_ih
  S* da_hn;      // (N,H) gradient of W_hn h + b_hn: the last third of da times r; reset after only
  S* d_reset_h;  // (B,H) scratch, reset before only
};

template <class S>
struct GruLoops {
  void (*forward)(const GruForwardLoop<S>&) noexcept;
  void (*backward)(const GruBackwardLoop<S>&) noexcept;
};
UNROLL_SIMD_TABLE(GruLoops, gru_loops)

}  // namespace unroll::bptt
