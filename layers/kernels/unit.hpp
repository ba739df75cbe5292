// The cell-specific part of a hand-derived kernel: UnitLayout, and one hidden unit's step forward and
// backward. Everything else (packing, products, the time loop, threads, batches of one, weight gradients) is
// shared by all cells: pass.hpp, simd/forward.hpp, simd/backward.hpp.
#pragma once

#include <cstddef>

#include "framework/kernels/isa.hpp"
#include "layers/kernels/time_loop.hpp"

namespace unroll::bptt {

// How the last gate of a cell, its candidate, reads h.
enum class Candidate {
  gate,   // like every other gate: W_h. h is added to its pre-activation
  apart,  // W_hn h + b_hn is a separate value, which the unit combines itself (GRU, reset after)
  reads,  // W_hn reads a vector that the unit computes from h and the other gates (GRU, reset before)
};

// Parameters are weight_ih (GH,I), weight_hh (GH,P), bias_ih and bias_hh (GH), weight_hr (P,H), with G gates
// in row order and P = H unless there is a projection.
struct UnitLayout {
  std::size_t gates = 1;                  // G
  bool has_cell = false;                  // the state has a second part, c
  Candidate candidate = Candidate::gate;  // of the last gate
  bool mixes_h = false;  // h' also depends on h outside the products: backward() leaves that share
  bool keeps_gate =
      true;  // backward() reads the gates; otherwise there is one gate, and backward() reads only h'

  constexpr std::size_t states() const noexcept { return has_cell ? 2 : 1; }
  // Returns the number of gates whose pre-activations include their share of h before the unit runs.
  constexpr std::size_t direct() const noexcept { return candidate == Candidate::gate ? gates : gates - 1; }
};

// One register of units at one step. V: the values of some units.
template <class V, std::size_t kGates>
struct UnitStep {
  V gate[kGates];  // pre-activations; after forward() the activated gates, which backward() reads
  V h, c;          // before the step; forward() makes them those after it, backward() finds h' in h if
                   // keeps_gate is false
  V candidate;     // apart: W_hn h + b_hn; reads: the input of W_hn
  V tanh_c;        // with a c: computed forward, then kept or recomputed
};

// Their gradients.
template <class V, std::size_t kGates>
struct UnitGradient {
  V h, c;          // of h' and c'; backward() leaves those of h, outside the products, and of c
  V gate[kGates];  // of the pre-activations
  V candidate;     // apart: of W_hn h + b_hn; reads: of the input of W_hn
};

// A unit is a struct with
//   kLayout                        its UnitLayout
//   option                         a bool of the cell's options (relu, z_keeps), if the cell has one
//   forward(UnitStep&)             the cell's equations
//   backward(const UnitStep&, UnitGradient&)
// With Candidate::reads, forward() runs after W_hn's product and backward() before its gradient; the
// unit also has
//   read(UnitStep&)                all gates except the last, and the candidate's input
//   read_backward(const UnitStep&, UnitGradient&)   from the gradient of that input: completes the gradients
//                                  of the first gate and of h

// A kernel's time loops for one instruction set. op: the op's name on the tape.
template <class S>
struct UnitKernel {
  const char* op;
  UnitLayout layout;
  void (*forward)(const ForwardLoop<S>&) noexcept;
  void (*backward)(const BackwardLoop<S>&) noexcept;
};

}  // namespace unroll::bptt
