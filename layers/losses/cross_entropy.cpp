#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "framework/anomaly.hpp"
#include "framework/errors.hpp"
#include "framework/kernels/pointwise.hpp"
#include "framework/ops/chain.hpp"
#include "layers/losses/reduce.hpp"

namespace unroll {
namespace {

using detail::chain;
using detail::check_same_shape;
using detail::reduce;

// Returns the shape without the class axis (1).
Shape positions_of(const char* loss, const Shape& logits) {
  if (logits.size() != 2 && logits.size() != 3) {
    throw ShapeError(fmt::format("[{}] logits: expected (N,C) or (N,C,T), got {}", loss, to_string(logits)));
  }
  if (logits[1] == 0) {
    throw ShapeError(
        fmt::format("[{}] logits: expected at least one class (axis 1), got {}", loss, to_string(logits)));
  }
  Shape shape{logits[0]};
  if (logits.size() == 3) shape.push_back(logits[2]);
  return shape;
}

// Returns the shape of the labels, which it checks.
Shape check_labels(const char* loss, const IndexTensor& labels, const Shape& logits) {
  Shape positions = positions_of(loss, logits);
  if (labels.shape() != positions) {
    throw ShapeError(fmt::format("[{}] labels: expected {} for logits {}, got {}", loss, to_string(positions),
                                 to_string(logits), to_string(labels.shape())));
  }
  return positions;
}

// Throws for a label that is out of range and not ignored.
void check_label(const char* loss, std::int64_t label, std::size_t classes, Index ignore_index,
                 std::size_t position) {
  if (label >= 0 && static_cast<std::size_t>(label) < classes) return;
  throw ShapeError(fmt::format("[{}] labels: expected 0..{} or ignore_index {}, got {} at position {}", loss,
                               classes - 1, ignore_index, label, position));
}

template <class S>
Tensor<S> weights_tensor(const char* loss, const std::vector<double>& weights, std::size_t classes) {
  if (!weights.empty() && weights.size() != classes) {
    throw ShapeError(fmt::format("[{}] class_weights: expected {} entries (one per class), got {}", loss,
                                 classes, weights.size()));
  }
  for (std::size_t c = 0; c < weights.size(); ++c) {
    if (weights[c] >= 0.0 && std::isfinite(weights[c])) continue;
    throw ArgumentError(
        fmt::format("[{}] class_weights[{}]: expected a number >= 0, got {}", loss, c, weights[c]));
  }
  Tensor<S> tensor = ones<S>({classes});
  std::transform(weights.begin(), weights.end(), tensor.data(), [](double w) { return static_cast<S>(w); });
  return tensor;
}

void check_smoothing(double smoothing) {
  if (!(smoothing >= 0.0 && smoothing <= 1.0)) {
    throw ArgumentError(fmt::format("[cross_entropy] label_smoothing: expected 0..1, got {}", smoothing));
  }
}

// Class weights as (C) or (C,1), to be multiplied by (N,C) or (N,C,T).
template <class S>
Var<S> along_classes(const Tensor<S>& weights, std::size_t rank) {
  Tensor<S> shaped = weights;
  if (rank == 3) shaped.reshape(Shape{weights.size(), 1});
  return Var<S>(std::move(shaped));
}

// The weighted -log p_y of every position, 0 where it is ignored, and the divisor of the mean.
template <class S>
struct Picked {
  Var<S> losses;  // (N) or (N,T)
  Mask ignored;
  double total_weight = 0.0;
};

template <class S>
Picked<S> pick(const char* loss, const Var<S>& log_p, const IndexTensor& labels,
               const CrossEntropyOptions& options) {
  const Shape positions = check_labels(loss, labels, log_p.shape());
  const std::size_t classes = log_p.shape(1);
  const Tensor<S> class_weights = weights_tensor<S>(loss, options.class_weights, classes);
  Picked<S> picked;
  picked.ignored = Mask(positions);
  IndexTensor safe = labels;  // ignored positions read class 0, with weight 0
  Tensor<S> weights(positions);
  for (std::size_t i = 0; i < labels.size(); ++i) {
    const std::int64_t label = labels.data()[i];
    const bool ignored = label == options.ignore_index;
    if (!ignored) check_label(loss, label, classes, options.ignore_index, i);
    picked.ignored.data()[i] = ignored;
    safe.data()[i] = ignored ? 0 : label;
    weights.data()[i] = ignored ? S(0) : class_weights.data()[static_cast<std::size_t>(label)];
    picked.total_weight += static_cast<double>(weights.data()[i]);
  }
  Shape column = log_p.shape();
  column[1] = 1;
  safe.reshape(column);
  const Var<S> chosen = squeeze(gather(log_p, 1, safe), {1});
  picked.losses = masked_fill(-chain(Var<S>(std::move(weights)), chosen), picked.ignored, 0.0);
  return picked;
}

template <class S>
Var<S> reduce_picked(const Var<S>& losses, double total_weight, Reduction reduction) {
  if (reduction == Reduction::mean) return sum(losses) / total_weight;
  return reduce(losses, reduction);
}

// (N,C), a 1 at each row's label.
template <class S>
Tensor<S> one_hot_rows(const IndexTensor& labels, std::size_t classes) {
  Tensor<S> rows = zeros<S>({labels.size(), classes});
  for (std::size_t i = 0; i < labels.size(); ++i) {
    const std::int64_t label = labels.data()[i];
    if (label >= 0 && static_cast<std::size_t>(label) < classes)
      rows.data()[i * classes + static_cast<std::size_t>(label)] = S(1);
  }
  return rows;
}

// w_i (p_i - onehot(y_i)) share g_i for every row that counts; g () or (N).
template <class S>
Var<S> row_gradients(const Var<S>& log_p, const IndexTensor& labels, const Tensor<S>& weights, double share,
                     Index ignored, const Var<S>& g) {
  const std::size_t rows = log_p.shape(0), classes = log_p.shape(1);
  Var<S> result = Var<S>::uninitialized(log_p.shape());
  S* d = result.raw();
  kernel::pointwise<S>().exp(log_p.data(), d, log_p.size());
  for (std::size_t i = 0; i < rows; ++i, d += classes) {
    const S weight = weights.data()[i], upstream = g.data()[g.size() == 1 ? 0 : i];
    if (labels.data()[i] == ignored || weight == S(0) || upstream == S(0)) {
      std::fill_n(d, classes, S(0));
      continue;
    }
    const S factor = static_cast<S>(share) * weight * upstream;
    d[labels.data()[i]] -= S(1);
    for (std::size_t c = 0; c < classes; ++c) d[c] *= factor;
  }
  return result;
}

// The same in ops, to be differentiated again.
template <class S>
Var<S> row_gradients_on_tape(const Var<S>& logits, const IndexTensor& labels, const Tensor<S>& weights,
                             double share, Index ignored, const Var<S>& g) {
  const std::size_t rows = logits.shape(0);
  Mask left_out(Shape{rows, 1});
  for (std::size_t i = 0; i < rows; ++i)
    left_out.data()[i] = labels.data()[i] == ignored || weights.data()[i] == S(0);
  Tensor<S> column = weights;
  column.reshape(Shape{rows, 1});
  const Var<S> upstream = g.dimension() == 1 ? unsqueeze(g, 1) : g;
  const Var<S> slope = softmax(logits, 1) - Var<S>(one_hot_rows<S>(labels, logits.shape(1)));
  return masked_fill(chain(chain(upstream, Var<S>(std::move(column)) * share), slope), left_out, 0.0);
}

// A row's weight: its label's class weight, 0 where it is ignored.
template <class S>
Tensor<S> row_weights(const IndexTensor& labels, const CrossEntropyOptions& options, std::size_t classes) {
  const Tensor<S> class_weights = weights_tensor<S>("cross_entropy", options.class_weights, classes);
  Tensor<S> weights(labels.shape());
  for (std::size_t i = 0; i < labels.size(); ++i) {
    const std::int64_t label = labels.data()[i];
    const bool ignored = label == options.ignore_index;
    if (!ignored) check_label("cross_entropy", label, classes, options.ignore_index, i);
    weights.data()[i] = ignored ? S(0) : class_weights.data()[static_cast<std::size_t>(label)];
  }
  return weights;
}

// The usual case, logits (N,C) with labels (N), as one op:
//   l_i = -w_i log p_i[y_i],  d l_i / d logits_i = w_i (p_i - onehot(y_i))
// Exactly zero at an ignored row and at a row of weight 0, for any logits.
template <class S>
Var<S> of_rows(const Var<S>& logits, const IndexTensor& labels, const CrossEntropyOptions& options) {
  const std::size_t rows = logits.shape(0), classes = logits.shape(1);
  check_labels("cross_entropy", labels, logits.shape());
  Tensor<S> weights = row_weights<S>(labels, options, classes);
  const Var<S> log_p = [&] {
    const NoGrad no_recording;
    return log_softmax(logits, 1);
  }();
  const bool reduced = options.reduction != Reduction::none;
  Var<S> loss = Var<S>::uninitialized(reduced ? Shape{} : labels.shape());
  S* out = loss.raw();
  double total = 0.0, total_weight = 0.0;
  for (std::size_t i = 0; i < rows; ++i) {
    const S weight = weights.data()[i];
    const bool counts = labels.data()[i] != options.ignore_index;
    const S l = counts && weight != S(0)
                    ? -weight * log_p.data()[i * classes + static_cast<std::size_t>(labels.data()[i])]
                    : S(0);
    if (!reduced) out[i] = l;
    total += static_cast<double>(l);
    total_weight += static_cast<double>(weight);
  }
  const double share = options.reduction == Reduction::mean ? 1.0 / total_weight : 1.0;
  if (reduced) *out = static_cast<S>(total * share);
  // The rule holds copies of labels and weights, which are made only while a tape records.
  if (!Tape::is_recording() && !DetectNonfinite::active()) return loss;
  return record("cross_entropy", std::move(loss),
                input(logits, [logits, log_p, labels, weights = std::move(weights), share,
                               ignored = options.ignore_index](const Var<S>& g) {
                  return Tape::is_recording()
                             ? row_gradients_on_tape(logits, labels, weights, share, ignored, g)
                             : row_gradients(log_p, labels, weights, share, ignored, g);
                }));
}

}  // namespace

template <class S>
Var<S> cross_entropy(const Var<S>& logits, const IndexTensor& labels, const CrossEntropyOptions& options) {
  positions_of("cross_entropy", logits.shape());
  check_smoothing(options.label_smoothing);
  if (logits.dimension() == 2 && options.label_smoothing == 0.0) return of_rows(logits, labels, options);
  const Var<S> log_p = log_softmax(logits, 1);
  auto [losses, ignored, total] = pick("cross_entropy", log_p, labels, options);
  if (options.label_smoothing > 0.0) {
    const double s = options.label_smoothing, classes = static_cast<double>(logits.shape(1));
    const Var<S> weights = along_classes(
        weights_tensor<S>("cross_entropy", options.class_weights, logits.shape(1)), logits.dimension());
    const Var<S> spread = masked_fill(-sum(chain(weights, log_p), {1}), ignored, 0.0);
    const Var<S> rest(Tensor<S>(static_cast<S>(1.0 - s)));
    losses = chain(rest, losses) + spread * (s / classes);
  }
  return reduce_picked(losses, total, options.reduction);
}

template <class S>
Var<S> cross_entropy(const Var<S>& logits, const Var<S>& probabilities, const CrossEntropyOptions& options) {
  const Shape positions = positions_of("cross_entropy", logits.shape());
  check_smoothing(options.label_smoothing);
  check_same_shape("cross_entropy", logits.shape(), probabilities.shape());
  if (options.ignore_index >= 0) {
    throw ArgumentError(
        fmt::format("[cross_entropy] ignore_index: expected < 0 for class probabilities, which have no label "
                    "to ignore, got {}",
                    options.ignore_index));
  }
  const Var<S> weights = along_classes(
      weights_tensor<S>("cross_entropy", options.class_weights, logits.shape(1)), logits.dimension());
  const double s = options.label_smoothing, classes = static_cast<double>(logits.shape(1));
  const Var<S> target = s > 0.0 ? probabilities * (1.0 - s) + s / classes : probabilities;
  const Var<S> losses = -sum(chain(target * weights, log_softmax(logits, 1)), {1});
  return reduce_picked(losses, static_cast<double>(element_count(positions)), options.reduction);
}

template <class S>
Var<S> nll_loss(const Var<S>& log_probabilities, const IndexTensor& labels,
                const CrossEntropyOptions& options) {
  if (options.label_smoothing != 0.0) {
    throw ArgumentError("[nll_loss] label_smoothing: expected 0, since only cross_entropy has smoothing");
  }
  const auto picked = pick("nll_loss", log_probabilities, labels, options);
  return reduce_picked(picked.losses, picked.total_weight, options.reduction);
}

#define UNROLL_INSTANTIATE(S)                                                                   \
  template Var<S> cross_entropy(const Var<S>&, const IndexTensor&, const CrossEntropyOptions&); \
  template Var<S> cross_entropy(const Var<S>&, const Var<S>&, const CrossEntropyOptions&);      \
  template Var<S> nll_loss(const Var<S>&, const IndexTensor&, const CrossEntropyOptions&);
UNROLL_INSTANTIATE(float)
UNROLL_INSTANTIATE(double)
#undef UNROLL_INSTANTIATE

}  // namespace unroll
