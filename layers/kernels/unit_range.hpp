// UnitRange: one thread's share of the hidden units in a time loop. Internal to the kernels.
#pragma once

#include <cstddef>

#include "framework/kernels/spin_barrier.hpp"

namespace unroll::bptt {

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

}  // namespace unroll::bptt
