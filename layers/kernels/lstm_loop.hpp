// The LSTM's loops over time on plain pointers, for every instruction set. Internal to lstm.cpp.
#pragma once

#include "framework/kernels/packing.hpp"
#include "layers/kernels/time_loop.hpp"
#include "layers/kernels/unit_range.hpp"

namespace unroll::bptt {

// N packed rows, B sequences, gates i f g o; P = H without a projection. Weights are
// laid out for kernels/packed_gemm.hpp.
template <class S>
struct LstmForwardLoop {
  TimeLoop steps;
  UnitRange units;  // shared only without a projection, all sequences of one length
  std::size_t H, P;
  kernel::Panels<S> recurrent;   // W_hh^T (P,4H)
  kernel::Panels<S> projection;  // W_hr^T (H,P), or null
  bool alone;                    // a batch of one whose H fills registers: a step's product and cell in one
  kernel::Panels<S> input;       // W_ih^T (I,4H) for a loop that is alone, or null: then gates has W_ih x
  const S* x;                    // (N,I)
  std::size_t I;
  const S* bias;  // (4H)
  S* gates;       // (N,4H) W_ih x in, i f g o out if cell is kept
  S* cell;        // (N,H) c; null: not kept
  S* tanh_cell;   // (N,H); null: not kept
  S* hidden;      // (N,H) o tanh(c): the output, unless that is projected
  S* output;      // (N,P)
  S* h;           // (B,P) runs through time
  S* c;           // (B,H) runs through time
};

template <class S>
struct LstmBackwardLoop {
  TimeLoop steps;
  UnitRange units;
  std::size_t H, P;
  kernel::Panels<S> recurrent;   // W_hh (4H,P)
  kernel::Panels<S> projection;  // W_hr (P,H), or null
  const S* gates;                // (N,4H)
  const S* cell;                 // (N,H)
  const S* tanh_cell;            // (N,H); null: not kept, computed from cell
  const S* c0;                   // (B,H)
  const S* up_output;            // (N,P) gradient from above, or null
  const S* up_cell;              // (N,H), or null
  bool state_wanted;             // dh and dc of the initial state
  S* dh;                         // (B,P) runs back through time
  S* dc;                         // (B,H) runs back through time
  S* dh_steps;                   // (N,P) every step's dh, with a projection
  S* d_hidden;                   // (B,H) scratch, with a projection
  S* da;                         // (N,4H) gradient of the pre-activations
};

template <class S>
struct LstmLoops {
  void (*forward)(const LstmForwardLoop<S>&) noexcept;
  void (*backward)(const LstmBackwardLoop<S>&) noexcept;
};
UNROLL_SIMD_TABLE(LstmLoops, lstm_loops)

}  // namespace unroll::bptt
