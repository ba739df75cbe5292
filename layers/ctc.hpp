// Connectionist temporal classification: a loss for labels whose places in time are not known.
#pragma once

#include <vector>

#include "layers/losses.hpp"

namespace unroll {

struct CtcOptions {
  Index blank = 0;  // the class that stands for no label
  Reduction reduction = Reduction::mean;
  bool zero_infinity = false;  // a target that no alignment spells has loss 0 and gradient 0
};

// Minus the log-probability that log_probs x (T,N,C) spell the targets, summed over all alignments (Graves,
// Fernandez, Gomez and Schmidhuber 2006):
//   l_n = -log sum_{a: B(a) = target_n} prod_{t < input_length_n} exp(x[t,n,a_t])
// where B merges repeated classes and then drops blanks. targets (N,S) with anything behind each target's
// end, or all targets end to end (sum of target_lengths). No input_lengths: all T; no target_lengths: all S.
// The mean is PyTorch's, over n of l_n / max(target_length_n, 1). A target that no alignment spells (too few
// steps, or -inf on every way) has loss inf and gradient NaN, 0 where the upstream gradient is 0. x need not
// be normalised: the gradient is that of l, and 0 behind input_length, where x may be anything. Computed in
// double for float too. Throws ShapeError for shapes that do not fit or a label that is the blank or outside
// 0..C-1, ArgumentError for lengths or a blank out of range.
template <class S>
Var<S> ctc_loss(const Var<S>& log_probs, const IndexTensor& targets, const std::vector<Index>& input_lengths,
                const std::vector<Index>& target_lengths, const CtcOptions& options = {});

}  // namespace unroll
