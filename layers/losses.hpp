// Losses: functions of Vars with PyTorch's names and semantics. One difference: elements without influence (a
// weight or a target probability of 0, an ignored label) add exactly 0 to value and gradient, also where
// their loss is infinite or NaN. A mean of no elements is NaN; its gradient is 0. At the end: sums and means
// over the real steps of ragged sequences.
#pragma once

#include <vector>

#include "framework/ops.hpp"

namespace unroll {

// How the losses of a batch are reduced: to their mean, to their sum, or not at all.
enum class Reduction { mean, sum, none };

struct CrossEntropyOptions {
  Reduction reduction = Reduction::mean;
  std::vector<double> class_weights = {};  // (C), >= 0; empty: 1
  Index ignore_index = -100;               // positions with this label are ignored; only for class indices
  double label_smoothing = 0.0;            // 0..1
};

// Softmax cross-entropy of logits (N,C) or (N,C,T) with class indices (N) or (N,T):
//   l = -(1-s) w_y log p_y - s/C sum_c w_c log p_c,  p = softmax(logits) over axis 1
// The mean divides by the sum of w_y over the positions that count. Accurate for logits up to +-1e4 and
// beyond. A logit of -inf excludes a class: the loss is inf if the label is excluded, or with smoothing.
// Throws ShapeError for mismatched shapes or a label outside 0..C-1, ArgumentError for label_smoothing
// outside 0..1 and a class weight that is negative or not finite.
template <class S>
Var<S> cross_entropy(const Var<S>& logits, const IndexTensor& labels,
                     const CrossEntropyOptions& options = {});
// The same with class probabilities q (for example one-hot) of the logits' shape:
//   l = -sum_c w_c ((1-s) q_c + s/C) log p_c
// The mean divides by the number of positions. Throws ArgumentError for an ignore_index >= 0: there are no
// labels to ignore.
template <class S>
Var<S> cross_entropy(const Var<S>& logits, const Var<S>& probabilities,
                     const CrossEntropyOptions& options = {});

// Negative log-likelihood -w_y log p_y of log-probabilities (N,C) or (N,C,T) with class indices (N) or (N,T).
// Options as for cross_entropy, but no smoothing (ArgumentError).
template <class S>
Var<S> nll_loss(const Var<S>& log_probabilities, const IndexTensor& labels,
                const CrossEntropyOptions& options = {});

// (prediction - target)^2; shapes must be equal, nothing broadcasts. Throws ShapeError otherwise.
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
  Var<S> weight = {};  // of each loss; broadcasts to the logits' shape; empty: 1
  Var<S> pos_weight =
      {};  // of the positive part; broadcasts to the logits' shape, for example (C) for (N,C); empty: 1
};

// Binary cross-entropy of logits z with targets y in 0..1, without overflow:
//   l = -w (v y log sigmoid(z) + (1-y) log(1 - sigmoid(z))),  w = weight, v = pos_weight
// The mean divides by the number of elements. A logit of inf or -inf that agrees with its target has loss 0.
// Throws ShapeError for mismatched shapes.
template <class S>
Var<S> bce_with_logits(const Var<S>& logits, const Var<S>& target, const BceOptions<S>& options = {});

// KlReduction::mean divides by the number of elements; batchmean, the mathematical mean of the divergences,
// by the size of axis 0.
enum class KlReduction { mean, sum, none, batchmean };

struct KlDivOptions {
  KlReduction reduction = KlReduction::mean;
  bool log_target = false;  // the target also holds log-probabilities
};

// Kullback-Leibler divergence of target q from log-probabilities x of the same shape (Kullback and Leibler
// 1951):
//   l = q (log q - x),  or  l = exp(q) (q - x) with log_target
// 0 log 0 = 0, with gradient 0; a class with q = 0 has l = 0, also where x is -inf. Throws ShapeError for
// other shapes, and for batchmean without an axis.
template <class S>
Var<S> kl_div_loss(const Var<S>& log_probabilities, const Var<S>& target, const KlDivOptions& options = {});

struct CosineEmbeddingOptions {
  double margin = 0.0;  // -1..1
  Reduction reduction = Reduction::mean;
};

// Cosine embedding loss: pulls pairs with label 1 together and pushes pairs with label -1 apart; x1, x2
// (...,D), labels (...):
//   c = sum_d x1_d x2_d / sqrt((|x1|^2 + e) (|x2|^2 + e)),  e = 1e-12
//   l = 1 - c  (label 1),  max(0, c - margin)  (label -1)
// Throws ShapeError for mismatched shapes, ArgumentError for other labels or a margin outside -1..1.
template <class S>
Var<S> cosine_embedding_loss(const Var<S>& x1, const Var<S>& x2, const IndexTensor& labels,
                             const CosineEmbeddingOptions& options = {});

struct CtcOptions {
  Index blank = 0;  // the class for "no label"
  Reduction reduction = Reduction::mean;
  bool zero_infinity = false;  // gives targets without an alignment loss 0 and gradient 0
};

// Connectionist temporal classification: minus the log-probability of the targets under log_probs x (T,N,C),
// summed over all alignments (Graves, Fernandez, Gomez and Schmidhuber 2006):
//   l_n = -log sum_{a: B(a) = target_n} prod_{t < input_length_n} exp(x[t,n,a_t])
// where B merges repeated classes and then drops blanks. targets are (N,S), with any values after each
// target's end, or all targets concatenated (sum of target_lengths). Empty input_lengths: all T; empty
// target_lengths: all S. The mean is PyTorch's, over n of l_n / max(target_length_n, 1). A target without an
// alignment (too few steps, or -inf on every path) has loss inf and gradient NaN, 0 where the upstream
// gradient is 0. x need not be normalised: the gradient is that of l, and 0 after input_length, where x may
// have any values. Computes in double for float too. Throws ShapeError for mismatched shapes or a label that
// is the blank or outside 0..C-1, ArgumentError for lengths or a blank out of range.
template <class S>
Var<S> ctc_loss(const Var<S>& log_probs, const IndexTensor& targets, const std::vector<Index>& input_lengths,
                const std::vector<Index>& target_lengths, const CtcOptions& options = {});

struct MaskedOptions {
  bool batch_first = false;  // values (B,T,...)
};

// values (T,B,...): per-step losses or layer outputs. lengths (B): any order, 0 allowed; empty: all T. Values
// after a sequence's end may be anything, also NaN: they affect neither the result nor a gradient, and their
// own gradient is 0. Throws ShapeError for values without the two axes or another number of lengths,
// ArgumentError for a length outside 0..T.

// s = sum_b sum_{t < lengths_b} values_tb, also over all further axes -> ()
template <class S>
Var<S> masked_sum(const Var<S>& values, const std::vector<Index>& lengths, const MaskedOptions& options = {});
// s divided by the number of elements in the sum: every real step has the same weight in sequences of any
// length. NaN if no sequence has a step.
template <class S>
Var<S> masked_mean(const Var<S>& values, const std::vector<Index>& lengths,
                   const MaskedOptions& options = {});
// s_b = sum_{t < lengths_b} values_tb -> (B,...)
template <class S>
Var<S> masked_sum_over_time(const Var<S>& values, const std::vector<Index>& lengths,
                            const MaskedOptions& options = {});
// m_b = s_b / lengths_b -> (B,...); a mean over b gives every sequence the same weight. NaN for a sequence
// without steps.
template <class S>
Var<S> masked_mean_over_time(const Var<S>& values, const std::vector<Index>& lengths,
                             const MaskedOptions& options = {});

struct EsrOptions {
  double pre_emphasis = 0.85;       // p, 0..1
  double dc = 0.0;                  // weight of the second term
  std::vector<Index> lengths = {};  // (B), as for masked_sum; empty: all T
};

// Error-to-signal ratio of a signal y (T,B,...) and its target u, with pre-emphasis P v_t = v_t - p v_{t-1},
// v_{-1} = 0, and a term for a constant offset (Wright and Valimaki 2020):
//   l = sum (P y - P u)^2 / sum (P u)^2 + dc sum_b n_b mean_t(y - u)^2 / sum u^2
// over the n_b steps of each sequence. inf or NaN for a target without energy. Throws ShapeError for other
// shapes, ArgumentError for options and lengths out of range.
template <class S>
Var<S> esr_loss(const Var<S>& prediction, const Var<S>& target, const EsrOptions& options = {});
// sum (P u)^2, what the ratio divides by: the weight of a batch's loss among others.
template <class S>
double esr_energy(const Tensor<S>& target, const EsrOptions& options = {});

}  // namespace unroll
