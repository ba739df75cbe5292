// Stretch: where a kernel that runs a sequence part by part stands.
#pragma once

#include <cstddef>

#include "layers/bptt/steps.hpp"

namespace unroll::bptt {

// Steps that follow each other forward in time, with their rows among those of the whole sequence.
struct Stretch {
  const Steps& steps;          // those of the stretch, on rows of their own
  std::size_t row = 0;         // the first of them among all
  bool begins = true;          // with the initial states
  std::size_t row_before = 0;  // else: the first row of the step before

  // What the first step starts from: rows (B,width) of `initial`, or those that the step before left among
  // all rows.
  template <class S>
  const S* before(const S* all, std::size_t width, const S* initial) const noexcept {
    return begins ? initial : all + row_before * width;
  }
};

}  // namespace unroll::bptt
