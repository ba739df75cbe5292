// Units: what each of the threads that share a time loop computes at every step. Internal to the kernels.
#pragma once

#include <cstddef>

#include "framework/kernels/parallel.hpp"

namespace unroll::bptt {

// The hidden units that a thread computes at every step: all, or its share where threads that run all
// sequences at once meet after each step.
struct Units {
  std::size_t begin = 0, end = 0;
  kernel::Meeting* meeting = nullptr;

  std::size_t count() const noexcept { return end - begin; }
  bool shared() const noexcept { return meeting != nullptr; }
  void meet() const noexcept {
    if (meeting != nullptr) meeting->wait();
  }
};

}  // namespace unroll::bptt
