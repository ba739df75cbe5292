// The Elman RNN's loops over time on plain pointers, for every instruction set. Internal to rnn.cpp.
#pragma once

#include "framework/kernels/packing.hpp"
#include "layers/kernels/time_loop.hpp"
#include "layers/kernels/unit_range.hpp"

namespace unroll::bptt {

// N packed rows, B sequences. Weights are packed (kernels/packed_gemm.hpp).
template <class S>
struct RnnForwardLoop {
  TimeLoop steps;
  UnitRange units;
  std::size_t H;
  bool relu;
  kernel::Panels<S> recurrent;  // W_hh^T (H,H)
  const S* bias;                // (H)
  S* output;                    // (N,H) W_ih x in, h out
  S* h;                         // (B,H) runs through time
};

template <class S>
struct RnnBackwardLoop {
  TimeLoop steps;
  UnitRange units;
  std::size_t H;
  bool relu;
  kernel::Panels<S> recurrent;  // W_hh (H,H)
  const S* output;              // (N,H)
  const S* up_output;           // (N,H) gradient from above, or null
  bool state_wanted;            // dh of the initial state
  S* dh;                        // (B,H) runs back through time
  S* da;                        // (N,H) gradient of the pre-activations
};

template <class S>
struct RnnLoops {
  void (*forward)(const RnnForwardLoop<S>&) noexcept;
  void (*backward)(const RnnBackwardLoop<S>&) noexcept;
};
UNROLL_SIMD_TABLE(RnnLoops, rnn_loops)

}  // namespace unroll::bptt
