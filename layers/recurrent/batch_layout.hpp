// BatchLayout: the active sequences of a batch at each time step. TimeChunk: a range of steps.
#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

#include "framework/tensor.hpp"

namespace unroll::bptt {

// A batch of B sequences of at most T steps, longest first and packed: the rows of step 0, then those of step
// 1 and so on, without padding, N = sum of lengths rows. At step t the first batch_size(t) sequences are
// active. With equal lengths this is (T,B,...), row-major.
struct BatchLayout {
  bool reverse = false;   // run from each sequence's last step to its first
  std::size_t batch = 0;  // B
  std::size_t total = 0;  // N

  std::size_t count() const noexcept { return count_; }
  // Returns the number of active sequences at step t, which never increases with t.
  std::size_t batch_size(std::size_t t) const noexcept { return sizes_.empty() ? batch : sizes_[t]; }
  // Returns the first packed row of step t.
  std::size_t offset(std::size_t t) const noexcept { return sizes_.empty() ? t * batch : offset_[t]; }
  // Returns the step that runs k-th.
  std::size_t time(std::size_t k) const noexcept { return reverse ? count_ - 1 - k : k; }
  // Returns how many sequences continue from the previous step at the k-th step; the other active ones start
  // from their initial state.
  std::size_t continued(std::size_t k) const noexcept {
    return k == 0 ? 0 : std::min(batch_size(time(k - 1)), batch_size(time(k)));
  }

  // Returns true if all sequences have the same length: every step has the whole batch.
  bool is_dense() const noexcept { return sizes_.empty(); }
  // Return (T) each, or null if the layout is dense.
  const std::size_t* batch_sizes() const noexcept { return is_dense() ? nullptr : sizes_.data(); }
  const std::size_t* offsets() const noexcept { return is_dense() ? nullptr : offset_.data(); }
  // Returns parts + 1 bounds, from 0 to B, that cut the batch into parts with about equal numbers of rows.
  PooledVector<std::size_t> cuts(std::size_t parts) const;

  static BatchLayout dense(std::size_t steps, std::size_t batch, bool reverse) noexcept;
  // lengths in descending order, each at most `steps`.
  static BatchLayout ragged(std::size_t steps, const std::vector<std::size_t>& lengths, bool reverse);
  // Returns the layout of the steps first ... last-1, with rows counted from 0.
  BatchLayout part(std::size_t first, std::size_t last) const;

 private:
  std::size_t count_ = 0;             // T
  PooledVector<std::size_t> sizes_;   // (T); empty: B at every step
  PooledVector<std::size_t> offset_;  // (T), like sizes_
};

// Consecutive steps of a sequence, with their rows among those of all steps.
struct TimeChunk {
  BatchLayout layout;          // of the chunk, rows counted from 0
  std::size_t row = 0;         // the chunk's first row among all
  bool begins = true;          // starts from the initial states
  std::size_t row_before = 0;  // otherwise: the first row of the previous step

  // All steps.
  explicit TimeChunk(const BatchLayout& all) : layout(all) {}
  // The steps first ... last-1, in time order.
  TimeChunk(const BatchLayout& all, std::size_t first, std::size_t last);

  // Returns what the first step starts from, forward in time: rows (B,width) of `initial`, or those of the
  // previous step among all rows.
  template <class S>
  const S* before(const S* all, std::size_t width, const S* initial) const noexcept {
    return begins ? initial : all + row_before * width;
  }
  // Returns the chunk's rows of a tensor over all steps: (T,B,..) -> (count,B,..), or packed (N,W) -> (n,W).
  template <class S>
  Tensor<S> take(const Tensor<S>& whole, const BatchLayout& all) const;
  // The inverse; allocates `whole`, uninitialised, if it is empty.
  template <class S>
  void put(const Tensor<S>& part, Tensor<S>& whole, const BatchLayout& all) const;
};

// Cuts all steps into chunks with about equal numbers of rows, in time order.
PooledVector<TimeChunk> time_chunks(const BatchLayout& all, std::size_t count);

}  // namespace unroll::bptt
