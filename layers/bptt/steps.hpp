// Steps: which sequences of a batch are alive at each time step.
#pragma once

#include <algorithm>
#include <cstddef>
#include <utility>
#include <vector>

#include "framework/tensor.hpp"
#include "layers/bptt/time_loop.hpp"

namespace unroll::bptt {

// A batch of B sequences of at most T steps, longest first, stored packed: the rows of step 0, then those of
// step 1 and so on, without padding, so N = sum of lengths rows in all. At step t the first rows(t) sequences
// are alive.
// With equal lengths this is just (T,B,...) row by row.
struct Steps {
  bool reverse = false;   // run from each sequence's last step to its first
  std::size_t batch = 0;  // B
  std::size_t total = 0;  // N

  std::size_t count() const noexcept { return count_; }
  // Sequences alive at step t; never increases with t.
  std::size_t rows(std::size_t t) const noexcept { return alive_.empty() ? batch : alive_[t]; }
  // First packed row of step t.
  std::size_t offset(std::size_t t) const noexcept { return alive_.empty() ? t * batch : offset_[t]; }
  // The step that runs k-th.
  std::size_t time(std::size_t k) const noexcept { return reverse ? count_ - 1 - k : k; }
  // Sequences whose state at the k-th run step comes from the step before; the rest of the alive ones begin
  // with their initial state.
  std::size_t continued(std::size_t k) const noexcept {
    return k == 0 ? 0 : std::min(rows(time(k - 1)), rows(time(k)));
  }

  // All sequences have the same length, so that the rows of every step are those of the whole batch.
  bool is_dense() const noexcept { return alive_.empty(); }
  // What a kernel runs over: the sequences begin ... end-1.
  TimeLoop loop(std::size_t begin, std::size_t end) const noexcept {
    return {
        count_, reverse, is_dense() ? nullptr : alive_.data(), is_dense() ? nullptr : offset_.data(), batch,
        begin,  end};
  }
  // Where to cut the batch into parts of about equal numbers of rows: parts + 1 bounds, from 0 to B.
  PooledVector<std::size_t> cuts(std::size_t parts) const;

  static Steps dense(std::size_t steps, std::size_t batch, bool reverse) noexcept;
  // lengths in descending order, each at most `steps`.
  static Steps ragged(std::size_t steps, const std::vector<std::size_t>& lengths, bool reverse);
  // The steps first ... last-1 of these, on rows of their own.
  Steps stretch(std::size_t first, std::size_t last) const;

 private:
  std::size_t count_ = 0;             // T
  PooledVector<std::size_t> alive_;   // (T); empty: B at every step
  PooledVector<std::size_t> offset_;  // (T), as alive_
};

// The row that every packed row's step started from: what an earlier step left (rows of `after`, (N,W)), or
// `initial` (B,W). Result (N,W).
template <class S>
Buffer<S> previous_rows(const Steps& steps, const S* after, const Tensor<S>& initial);

}  // namespace unroll::bptt
