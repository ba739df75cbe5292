// Losses. Each is a function of Vars; PyTorch's names and semantics.
#pragma once

#include "framework/ops.hpp"

namespace unroll {

// How the losses of a batch become the result: their mean, their sum, or one each.
enum class Reduction { mean, sum, none };

struct CrossEntropyOptions {
  Reduction reduction = Reduction::mean;
  std::vector<double> class_weights = {};  // (C); none: 1
  Index ignore_index = -100;               // positions with this label do not count
  double label_smoothing = 0.0;            // 0..1
};

// Softmax cross-entropy of logits (N,C) or (N,C,T) with class indices (N) or (N,T):
//   l = -(1-s) w_y log p_y - s/C sum_c w_c log p_c,  p = softmax(logits) over axis 1
// The mean divides by the sum of w_y over the positions that count. Exact for logits up to +-1e4 and beyond.
// Throws ShapeError for shapes that do not fit or a label outside 0..C-1.
template <class S>
Var<S> cross_entropy(const Var<S>& logits, const IndexTensor& labels,
                     const CrossEntropyOptions& options = {});
// The same with class probabilities (one-hot, say) of the logits' shape; the mean divides by the number of
// positions.
template <class S>
Var<S> cross_entropy(const Var<S>& logits, const Var<S>& probabilities,
                     const CrossEntropyOptions& options = {});

// Negative log-likelihood -log p_y of log-probabilities (N,C) or (N,C,T); options as for cross_entropy,
// without smoothing.
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
// Binary cross-entropy of logits z with targets y in 0..1, without overflow:
//   l = -(w y log sigmoid(z) + (1-y) log(1 - sigmoid(z))),  w = pos_weight (of the last axis' size; none: 1)
template <class S>
Var<S> bce_with_logits(const Var<S>& logits, const Var<S>& target, const std::vector<double>& pos_weight = {},
                       Reduction reduction = Reduction::mean);

}  // namespace unroll
