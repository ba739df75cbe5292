// What a hand-derived kernel says of its cell: UnitLayout, and one hidden unit's step forward and backward.
// Everything else (packing, products, the loop over time, threads, batches of one, weight gradients) is the
// same for all cells: pass.hpp and simd/forward.hpp, simd/backward.hpp.
#pragma once

#include <cstddef>

#include "framework/kernels/isa.hpp"
#include "layers/kernels/time_loop.hpp"

namespace unroll::bptt {

// How the last gate of a cell, its candidate, gets its share of h.
enum class Candidate {
  gate,   // as every other gate: W_h. h is added to its pre-activation
  apart,  // W_hn h + b_hn stays a value of its own, which the unit adds in its own way (GRU, reset after)
  reads,  // W_hn reads a vector that the unit makes of h from the other gates (GRU, reset before)
};

// Parameters are weight_ih (GH,I), weight_hh (GH,P), bias_ih and bias_hh (GH), weight_hr (P,H), with G gates
// in the order of their rows and P = H unless there is a projection.
struct UnitLayout {
  std::size_t gates = 1;                  // G
  bool has_cell = false;                  // the state has a second part, c
  Candidate candidate = Candidate::gate;  // of the last gate
  bool mixes_h = false;  // h' is a function of h also outside of the products: backward() leaves its share
  bool keeps_gate =
      true;  // backward() reads the gates; else there is one gate, and backward() reads h' alone

  constexpr std::size_t states() const noexcept { return has_cell ? 2 : 1; }
  // Gates whose pre-activations have their share of h before the unit runs.
  constexpr std::size_t direct() const noexcept { return candidate == Candidate::gate ? gates : gates - 1; }
};

// One register of units at one step. V: some units' values.
template <class V, std::size_t kGates>
struct UnitStep {
  V gate[kGates];  // pre-activations; after forward() the activated gates, which backward() reads
  V h, c;          // before the step; forward() makes them those after it, backward() finds h' in h if
                   // keeps_gate is false
  V candidate;     // apart: W_hn h + b_hn; reads: what W_hn reads
  V tanh_c;        // with a c: computed forward, and kept or computed again
};

// The same for gradients.
template <class V, std::size_t kGates>
struct UnitGradient {
  V h, c;          // of h' and c'; backward() leaves those of h, outside of the products, and of c
  V gate[kGates];  // of the pre-activations
  V candidate;     // apart: of W_hn h + b_hn; reads: of what W_hn reads
};

// A unit is a struct with
//   kLayout                        its UnitLayout
//   option                         a bool of the cell's options (relu, z_keeps), if the cell has one
//   forward(UnitStep&)             the cell's equations
//   backward(const UnitStep&, UnitGradient&)
// and with Candidate::reads, where forward() and backward() do what comes after, and before, W_hn's product,
//   read(UnitStep&)                the gates but the last, and the candidate's input
//   read_backward(const UnitStep&, UnitGradient&)   from the gradient of that input: completes those of the
//                                  first gate and of h

// A kernel's loops over time for one instruction set. op: the name of the op on the tape.
template <class S>
struct UnitKernel {
  const char* op;
  UnitLayout layout;
  void (*forward)(const ForwardLoop<S>&) noexcept;
  void (*backward)(const BackwardLoop<S>&) noexcept;
};

}  // namespace unroll::bptt
