// The arguments of a kernel's time loop, as plain values and pointers. Internal to the kernels.
#pragma once

#include <cstddef>

#include "framework/kernels/packing.hpp"
#include "framework/kernels/spin_barrier.hpp"

namespace unroll::bptt {

// A view of a BatchLayout (layers/recurrent/batch_layout.hpp; products.hpp makes it), restricted to a range
// of the batch. Sequences are independent up to the gradients of the weights, so each thread runs all steps
// of its sequences.
struct TimeLoop {
  std::size_t count = 0;                // T
  bool reverse = false;                 // from the last step to the first
  const std::size_t* sizes = nullptr;   // (T) rows of every step; null: B
  const std::size_t* offset = nullptr;  // (T) first packed row; null: t B
  std::size_t batch = 0;                // B
  std::size_t begin = 0, end = 0;       // the sequences that this loop runs

  // Returns true if all sequences take part in all steps: the state before a step is the previous output.
  bool is_dense() const noexcept { return sizes == nullptr; }
  std::size_t time(std::size_t k) const noexcept { return reverse ? count - 1 - k : k; }
  // Returns how many of the sequences take part at step t: begin ... begin + batch_size(t) - 1.
  std::size_t batch_size(std::size_t t) const noexcept {
    const std::size_t last = sizes != nullptr && sizes[t] < end ? sizes[t] : end;
    return last > begin ? last - begin : 0;
  }
  // Returns the packed row of the first of them.
  std::size_t first(std::size_t t) const noexcept {
    return (offset != nullptr ? offset[t] : t * batch) + begin;
  }
  // Returns how many of them continue from the previous step; the others start from their initial state.
  std::size_t continued(std::size_t k) const noexcept {
    if (k == 0) return 0;
    const std::size_t before = batch_size(time(k - 1)), now = batch_size(time(k));
    return before < now ? before : now;
  }
};

// The hidden units that a thread computes at every step: all, or a share if several threads run all sequences
// and wait for each other after each step.
struct UnitRange {
  std::size_t begin = 0, end = 0;
  kernel::SpinBarrier* barrier = nullptr;

  std::size_t count() const noexcept { return end - begin; }
  bool is_split() const noexcept { return barrier != nullptr; }
  void arrive_and_wait() const noexcept {
    if (barrier != nullptr) barrier->arrive_and_wait();
  }
};

// N packed rows, B sequences, G gates (kernels/unit.hpp), P = H without a projection. Weights are laid out
// for kernels/packed_gemm.hpp. Absent pointers are null.
template <class S>
struct ForwardLoop {
  TimeLoop steps;
  UnitRange units;  // split only without a projection and for equal lengths
  bool option;      // of the unit
  bool keep;        // store what the backward pass reads
  bool single_row;  // batch of one whose H fills registers: products and unit of a step in one loop
  std::size_t I, H, P;
  kernel::Panels<S> recurrent;         // W_hh^T of the gates that read h (P, H for each)
  kernel::Panels<S> candidate_weight;  // W_hn^T (P,H) of a candidate with its own product
  kernel::Panels<S> projection;        // W_hr^T (H,P), or absent
  kernel::Panels<S> input;             // W_ih^T (I,GH) for a single row, or absent: then gates holds W_ih x
  const S* x;                          // (N,I)
  const S* bias;                       // (GH)
  const S* candidate_bias;             // (H), apart only
  S* gates;                            // (N,GH) W_ih x on input; if kept, the activated gates on output
  S* candidate;                        // (N,H) apart: W_hn h + b_hn; reads: the input of W_hn
  S* cell;                             // (N,H) c of every step, kept
  S* tanh_cell;                        // (N,H) kept, or absent
  S* hidden;                           // (N,H) h before the projection; the output, unless projected
  S* output;                           // (N,P)
  S* h;                                // (B,P) carried through time
  S* c;                                // (B,H) carried through time
};

template <class S>
struct BackwardLoop {
  TimeLoop steps;
  UnitRange units;
  bool option;
  bool needs_state;  // computes dh and dc of the initial state
  std::size_t H, P;
  kernel::Panels<S> recurrent;         // W_hh of the gates that read h (H for each, P)
  kernel::Panels<S> candidate_weight;  // W_hn (H,P) of a candidate with its own product
  kernel::Panels<S> projection;        // W_hr (P,H), or absent
  const S* gates;                      // (N,GH)
  const S* candidate;                  // (N,H)
  const S* cell;                       // (N,H)
  const S* tanh_cell;                  // (N,H); absent: computed from cell
  const S* output;                     // (N,P)
  const S* h0;                         // (B,P) before the first step
  const S* c0;                         // (B,H)
  const S* up_output;                  // (N,P) gradient from above, or absent
  const S* up_cell;                    // (N,H), or absent
  S* dh;                               // (B,P) carried back through time
  S* dc;                               // (B,H) carried back through time
  S* dh_steps;                         // (N,P) every step's dh, with a projection
  S* d_hidden;                         // (B,H) scratch, with a projection
  S* da;                               // (N,GH) gradient of the pre-activations
  S* d_candidate;                      // apart: (N,H) gradient of W_hn h + b_hn; reads: (B,H) scratch
};

}  // namespace unroll::bptt
