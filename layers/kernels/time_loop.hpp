// TimeLoop: what a kernel's loop over time runs over, in plain numbers. Internal to the kernels.
#pragma once

#include <cstddef>

namespace unroll::bptt {

// A view of a BatchLayout (layers/recurrent/batch_layout.hpp; products.hpp makes it), restricted to a range
// of the batch: the sequences of a batch do not touch each other until the gradients of the weights, so that
// every thread runs all steps of its own.
struct TimeLoop {
  std::size_t count = 0;                // T
  bool reverse = false;                 // from the last step to the first
  const std::size_t* sizes = nullptr;   // (T) rows of every step; null: B
  const std::size_t* offset = nullptr;  // (T) first packed row; null: t B
  std::size_t batch = 0;                // B
  std::size_t begin = 0, end = 0;       // the sequences that this loop runs

  // All sequences take part in all steps, so that the state before a step is the output of the step before.
  bool is_dense() const noexcept { return sizes == nullptr; }
  std::size_t time(std::size_t k) const noexcept { return reverse ? count - 1 - k : k; }
  // How many of the sequences take part at step t: begin ... begin + batch_size(t) - 1.
  std::size_t batch_size(std::size_t t) const noexcept {
    const std::size_t last = sizes != nullptr && sizes[t] < end ? sizes[t] : end;
    return last > begin ? last - begin : 0;
  }
  // The packed row of the first of them.
  std::size_t first(std::size_t t) const noexcept {
    return (offset != nullptr ? offset[t] : t * batch) + begin;
  }
  // How many of them continue a step before; the rest begin with their initial state.
  std::size_t continued(std::size_t k) const noexcept {
    if (k == 0) return 0;
    const std::size_t before = batch_size(time(k - 1)), now = batch_size(time(k));
    return before < now ? before : now;
  }
};

}  // namespace unroll::bptt
