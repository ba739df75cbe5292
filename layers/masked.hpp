// Sums and means over the real steps of sequences of different lengths.
#pragma once

#include <vector>

#include "framework/ops.hpp"

namespace unroll {

struct MaskedOptions {
  bool batch_first = false;  // values (B,T,...)
};

// Each takes values (T,B,...), losses of single steps or outputs of a recurrent layer say, and lengths (B) in
// any order, 0 allowed; no lengths: all T. What lies behind a sequence's end may be anything, NaN too: it
// touches neither the result nor a gradient, and its own gradient is 0. Throws ShapeError for values without
// the two axes or another number of lengths, ArgumentError for a length outside 0..T.

// s = sum_b sum_{t < lengths_b} values_tb, over all further axes too -> ()
template <class S>
Var<S> masked_sum(const Var<S>& values, const std::vector<Index>& lengths, const MaskedOptions& options = {});
// The same divided by the number of elements summed: every real step counts the same, however long its
// sequence. NaN when no sequence has a step.
template <class S>
Var<S> masked_mean(const Var<S>& values, const std::vector<Index>& lengths,
                   const MaskedOptions& options = {});
// s_b = sum_{t < lengths_b} values_tb -> (B,...)
template <class S>
Var<S> masked_sum_over_time(const Var<S>& values, const std::vector<Index>& lengths,
                            const MaskedOptions& options = {});
// m_b = s_b / lengths_b -> (B,...); of these a mean counts every sequence the same. NaN for a sequence
// without steps.
template <class S>
Var<S> masked_mean_over_time(const Var<S>& values, const std::vector<Index>& lengths,
                             const MaskedOptions& options = {});

}  // namespace unroll
