// Losses. Each is a function of Vars; PyTorch's names and semantics, but that what counts for nothing (a
// weight or a target probability of 0, an ignored label) adds exactly 0 to value and gradient, also where the
// loss there is infinite or NaN. A mean over nothing is NaN; its gradient is 0. At the end: sums and means
// over the real steps of sequences of different lengths.
#pragma once

#include <vector>

#include "framework/ops.hpp"

namespace unroll {

// How the losses of a batch become the result: their mean, their sum, or one each.
enum class Reduction { mean, sum, none };

struct CrossEntropyOptions {
  Reduction reduction = Reduction::mean;
  std::vector<double> class_weights = {};  // (C); none: 1
  Index ignore_index = -100;               // positions with this label do not count; labels only
  double label_smoothing = 0.0;            // 0..1
};

// Softmax cross-entropy of logits (N,C) or (N,C,T) with class indices (N) or (N,T):
//   l = -(1-s) w_y log p_y - s/C sum_c w_c log p_c,  p = softmax(logits) over axis 1
// The mean divides by the sum of w_y over the positions that count. Exact for logits up to +-1e4 and beyond;
// -inf rules a class out: inf is the loss of a label that is ruled out, or of all with smoothing. Throws
// ShapeError for shapes that do not fit or a label outside 0..C-1, ArgumentError for label_smoothing outside
// 0..1.
template <class S>
Var<S> cross_entropy(const Var<S>& logits, const IndexTensor& labels,
                     const CrossEntropyOptions& options = {});
// The same with class probabilities q (one-hot, say) of the logits' shape:
//   l = -sum_c w_c ((1-s) q_c + s/C) log p_c
// The mean divides by the number of positions. Throws ArgumentError for an ignore_index >= 0: probabilities
// have no label to ignore.
template <class S>
Var<S> cross_entropy(const Var<S>& logits, const Var<S>& probabilities,
                     const CrossEntropyOptions& options = {});

// Negative log-likelihood -w_y log p_y of log-probabilities (N,C) or (N,C,T) with class indices (N) or (N,T);
// options as for cross_entropy, without smoothing (ArgumentError).
template <class S>
Var<S> nll_loss(const Var<S>& log_probabilities, const IndexTensor& labels,
                const CrossEntropyOptions& options = {});

// (prediction - target)^2; equal shapes, nothing broadcasts. Throws ShapeError otherwise.
template <class S>
Var<S> mse_loss(const Var<S>& prediction, const Var<S>& target, Reduction reduction = Reduction::mean);
// |prediction - target|
template <class S>
Var<S> l1_loss(const Var<S>& prediction, const Var<S>& target, Reduction reduction = Reduction::mean);
// d = |prediction - target|: d^2 / 2 up to delta, then delta (d - delta / 2) (Huber 1964). Throws
// ArgumentError for delta <= 0.
template <class S>
Var<S> huber_loss(const Var<S>& prediction, const Var<S>& target, double delta = 1.0,
                  Reduction reduction = Reduction::mean);
// d = |prediction - target|: d^2 / (2 beta) below beta, then d - beta / 2. Throws ArgumentError for beta < 0.
template <class S>
Var<S> smooth_l1_loss(const Var<S>& prediction, const Var<S>& target, double beta = 1.0,
                      Reduction reduction = Reduction::mean);
template <class S>
struct BceOptions {
  Reduction reduction = Reduction::mean;
  Var<S> weight = {};  // of each loss; broadcasts to the logits' shape; none: 1
  Var<S> pos_weight =
      {};  // of the positive part; broadcasts to the logits' shape, (C) for (N,C) say; none: 1
};

// Binary cross-entropy of logits z with targets y in 0..1, without overflow:
//   l = -w (v y log sigmoid(z) + (1-y) log(1 - sigmoid(z))),  w = weight, v = pos_weight
// The mean divides by the number of elements. A logit of inf or -inf with the target that it says has loss 0.
// Throws ShapeError for shapes that do not fit.
template <class S>
Var<S> bce_with_logits(const Var<S>& logits, const Var<S>& target, const BceOptions<S>& options = {});

// KlReduction::mean divides by the number of elements; batchmean, the mathematical mean of the divergences,
// by the size of axis 0.
enum class KlReduction { mean, sum, none, batchmean };

struct KlDivOptions {
  KlReduction reduction = KlReduction::mean;
  bool log_target = false;  // the target holds log-probabilities too
};

// Kullback-Leibler divergence of target q from log-probabilities x of the same shape (Kullback and Leibler
// 1951):
//   l = q (log q - x),  or  l = exp(q) (q - x) with log_target
// 0 log 0 = 0, with gradient 0; a class that q rules out has l = 0, also where x is -inf. Throws ShapeError
// for other shapes, and for batchmean without an axis.
template <class S>
Var<S> kl_div_loss(const Var<S>& log_probabilities, const Var<S>& target, const KlDivOptions& options = {});

struct CosineEmbeddingOptions {
  double margin = 0.0;  // -1..1
  Reduction reduction = Reduction::mean;
};

// Pulls pairs with label 1 together and pushes those with label -1 apart; x1, x2 (...,D), labels (...):
//   c = sum_d x1_d x2_d / sqrt((|x1|^2 + e) (|x2|^2 + e)),  e = 1e-12
//   l = 1 - c  (label 1),  max(0, c - margin)  (label -1)
// Throws ShapeError for shapes that do not fit, ArgumentError for other labels or a margin outside -1..1.
template <class S>
Var<S> cosine_embedding_loss(const Var<S>& x1, const Var<S>& x2, const IndexTensor& labels,
                             const CosineEmbeddingOptions& options = {});

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
