// BatchLayout: which sequences of a batch are alive at each time step; TimeChunk: some of the steps.
#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

#include "framework/tensor.hpp"

namespace unroll::bptt {

// A batch of B sequences of at most T steps, longest first, stored packed: the rows of step 0, then those of
// step 1 and so on, without padding, so N = sum of lengths rows in all. At step t the first batch_size(t)
// sequences are alive. With equal lengths this is just (T,B,...) row by row.
struct BatchLayout {
  bool reverse = false;   // run from each sequence's last step to its first
  std::size_t batch = 0;  // B
  std::size_t total = 0;  // N

  std::size_t count() const noexcept { return count_; }
  // Sequences alive at step t; never increases with t.
  std::size_t batch_size(std::size_t t) const noexcept { return sizes_.empty() ? batch : sizes_[t]; }
  // First packed row of step t.
  std::size_t offset(std::size_t t) const noexcept { return sizes_.empty() ? t * batch : offset_[t]; }
  // The step that runs k-th.
  std::size_t time(std::size_t k) const noexcept { return reverse ? count_ - 1 - k : k; }
  // Sequences whose state at the k-th run step comes from the step before; the rest of the alive ones begin
  // with their initial state.
  std::size_t continued(std::size_t k) const noexcept {
    return k == 0 ? 0 : std::min(batch_size(time(k - 1)), batch_size(time(k)));
  }

  // All sequences have the same length, so that the rows of every step are those of the whole batch.
  bool is_dense() const noexcept { return sizes_.empty(); }
  // (T) each, or null where the layout is dense.
  const std::size_t* batch_sizes() const noexcept { return is_dense() ? nullptr : sizes_.data(); }
  const std::size_t* offsets() const noexcept { return is_dense() ? nullptr : offset_.data(); }
  // Where to cut the batch into parts of about equal numbers of rows: parts + 1 bounds, from 0 to B.
  PooledVector<std::size_t> cuts(std::size_t parts) const;

  static BatchLayout dense(std::size_t steps, std::size_t batch, bool reverse) noexcept;
  // lengths in descending order, each at most `steps`.
  static BatchLayout ragged(std::size_t steps, const std::vector<std::size_t>& lengths, bool reverse);
  // The steps first ... last-1 of these, on rows of their own.
  BatchLayout part(std::size_t first, std::size_t last) const;

 private:
  std::size_t count_ = 0;             // T
  PooledVector<std::size_t> sizes_;   // (T); empty: B at every step
  PooledVector<std::size_t> offset_;  // (T), as sizes_
};

// Steps of a sequence that follow each other in time, with their rows among those of the whole.
struct TimeChunk {
  BatchLayout layout;          // of the chunk, on rows of its own
  std::size_t row = 0;         // the first of them among all
  bool begins = true;          // with the initial states
  std::size_t row_before = 0;  // else: the first row of the step before

  // All steps.
  explicit TimeChunk(const BatchLayout& all) : layout(all) {}
  // The steps first ... last-1, in the order of time.
  TimeChunk(const BatchLayout& all, std::size_t first, std::size_t last);

  // What the first step starts from, forward in time: rows (B,width) of `initial`, or those that the step
  // before left among all rows.
  template <class S>
  const S* before(const S* all, std::size_t width, const S* initial) const noexcept {
    return begins ? initial : all + row_before * width;
  }
  // Its rows of a tensor over all steps: (T,B,..) -> (count,B,..), or packed (N,W) -> (n,W).
  template <class S>
  Tensor<S> take(const Tensor<S>& whole, const BatchLayout& all) const;
  // The inverse; makes `whole`, uninitialised, if it is empty.
  template <class S>
  void put(const Tensor<S>& part, Tensor<S>& whole, const BatchLayout& all) const;
};

// All steps in chunks of about equal numbers of rows, in the order of time.
PooledVector<TimeChunk> time_chunks(const BatchLayout& all, std::size_t count);

}  // namespace unroll::bptt
