#include "layers/losses.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "framework/errors.hpp"

namespace unroll {
namespace {

template <class S>
Var<S> reduce(const Var<S>& losses, Reduction reduction) {
  switch (reduction) {
    case Reduction::mean:
      return mean(losses);
    case Reduction::sum:
      return sum(losses);
    case Reduction::none:
      break;
  }
  return losses;
}

void check_same_shape(const char* loss, const Shape& prediction, const Shape& target) {
  if (prediction != target) {
    throw ShapeError(fmt::format("[{}] target want {} (the prediction's shape; nothing broadcasts), got {}",
                                 loss, to_string(prediction), to_string(target)));
  }
}

// Weights of single elements may leave out or repeat axes, but must not make the result larger.
template <class S>
void check_weight(const char* loss, const char* name, const Var<S>& weight, const Shape& shape) {
  if (!weight.defined()) return;
  const Shape& given = weight.shape();
  bool fits = given.size() <= shape.size();
  for (std::size_t k = 1; fits && k <= given.size(); ++k) {
    const std::size_t size = given[given.size() - k];
    fits = size == 1 || size == shape[shape.size() - k];
  }
  if (!fits) {
    throw ShapeError(fmt::format("[{}] {} want a shape that broadcasts to the logits' {}, got {}", loss, name,
                                 to_string(shape), to_string(given)));
  }
}

// The shape of what is left when the class axis (1) is taken out.
Shape positions_of(const char* loss, const Shape& logits) {
  if (logits.size() != 2 && logits.size() != 3) {
    throw ShapeError(fmt::format("[{}] logits want (N,C) or (N,C,T), got {}", loss, to_string(logits)));
  }
  Shape shape{logits[0]};
  if (logits.size() == 3) shape.push_back(logits[2]);
  return shape;
}

template <class S>
Tensor<S> weights_tensor(const char* loss, const std::vector<double>& weights, std::size_t classes) {
  if (!weights.empty() && weights.size() != classes) {
    throw ShapeError(fmt::format("[{}] class_weights want {} entries (one per class), got {}", loss, classes,
                                 weights.size()));
  }
  Tensor<S> tensor = ones<S>({classes});
  std::transform(weights.begin(), weights.end(), tensor.data(), [](double w) { return static_cast<S>(w); });
  return tensor;
}

void check_smoothing(double smoothing) {
  if (!(smoothing >= 0.0 && smoothing <= 1.0)) {
    throw ArgumentError(fmt::format("[cross_entropy] label_smoothing want 0..1, got {}", smoothing));
  }
}

// Class weights as (C) or (C,1), to be multiplied with (N,C) or (N,C,T).
template <class S>
Var<S> along_classes(const Tensor<S>& weights, std::size_t rank) {
  Tensor<S> shaped = weights;
  if (rank == 3) shaped.reshape(Shape{weights.size(), 1});
  return Var<S>(std::move(shaped));
}

// The weighted -log p_y of every position, 0 where it is ignored, and what the mean divides by.
template <class S>
struct Picked {
  Var<S> losses;  // (N) or (N,T)
  Mask ignored;
  double total_weight = 0.0;
};

template <class S>
Picked<S> pick(const char* loss, const Var<S>& log_p, const IndexTensor& labels,
               const CrossEntropyOptions& options) {
  const Shape positions = positions_of(loss, log_p.shape());
  if (labels.shape() != positions) {
    throw ShapeError(fmt::format("[{}] labels want {} for logits {}, got {}", loss, to_string(positions),
                                 to_string(log_p.shape()), to_string(labels.shape())));
  }
  const std::size_t classes = log_p.shape(1);
  const Tensor<S> class_weights = weights_tensor<S>(loss, options.class_weights, classes);
  Picked<S> picked;
  picked.ignored = Mask(positions);
  IndexTensor safe = labels;  // ignored positions look at class 0, with weight 0
  Tensor<S> weights(positions);
  for (std::size_t i = 0; i < labels.size(); ++i) {
    const std::int64_t label = labels.data()[i];
    const bool ignored = label == options.ignore_index;
    if (!ignored && (label < 0 || static_cast<std::size_t>(label) >= classes)) {
      throw ShapeError(fmt::format("[{}] labels want 0..{} or ignore_index {}, got {} at position {}", loss,
                                   classes - 1, options.ignore_index, label, i));
    }
    picked.ignored.data()[i] = ignored;
    safe.data()[i] = ignored ? 0 : label;
    weights.data()[i] = ignored ? S(0) : class_weights.data()[static_cast<std::size_t>(label)];
    picked.total_weight += static_cast<double>(weights.data()[i]);
  }
  Shape column = log_p.shape();
  column[1] = 1;
  safe.reshape(column);
  const Var<S> chosen = squeeze(gather(log_p, 1, safe), {1});
  picked.losses = masked_fill(-(chosen * Var<S>(std::move(weights))), picked.ignored, 0.0);
  return picked;
}

template <class S>
Var<S> reduce_picked(const Var<S>& losses, double total_weight, Reduction reduction) {
  if (reduction == Reduction::mean) return sum(losses) / total_weight;
  return reduce(losses, reduction);
}

}  // namespace

template <class S>
Var<S> cross_entropy(const Var<S>& logits, const IndexTensor& labels, const CrossEntropyOptions& options) {
  positions_of("cross_entropy", logits.shape());
  check_smoothing(options.label_smoothing);
  const Var<S> log_p = log_softmax(logits, 1);
  auto [losses, ignored, total] = pick("cross_entropy", log_p, labels, options);
  if (options.label_smoothing > 0.0) {
    const double s = options.label_smoothing, classes = static_cast<double>(logits.shape(1));
    const Var<S> weights = along_classes(
        weights_tensor<S>("cross_entropy", options.class_weights, logits.shape(1)), logits.dimension());
    const Var<S> spread = masked_fill(-sum(log_p * weights, {1}), ignored, 0.0);
    losses = losses * (1.0 - s) + spread * (s / classes);
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
        fmt::format("[cross_entropy] ignore_index want < 0 for class probabilities, which have no label to "
                    "ignore, got {}",
                    options.ignore_index));
  }
  const Var<S> weights = along_classes(
      weights_tensor<S>("cross_entropy", options.class_weights, logits.shape(1)), logits.dimension());
  const double s = options.label_smoothing, classes = static_cast<double>(logits.shape(1));
  const Var<S> target = s > 0.0 ? probabilities * (1.0 - s) + s / classes : probabilities;
  const Var<S> losses = -sum(log_softmax(logits, 1) * target * weights, {1});
  return reduce_picked(losses, static_cast<double>(element_count(positions)), options.reduction);
}

template <class S>
Var<S> nll_loss(const Var<S>& log_probabilities, const IndexTensor& labels,
                const CrossEntropyOptions& options) {
  if (options.label_smoothing != 0.0) {
    throw ArgumentError("[nll_loss] label_smoothing want 0, since only cross_entropy has smoothing");
  }
  const auto picked = pick("nll_loss", log_probabilities, labels, options);
  return reduce_picked(picked.losses, picked.total_weight, options.reduction);
}

template <class S>
Var<S> mse_loss(const Var<S>& prediction, const Var<S>& target, Reduction reduction) {
  check_same_shape("mse_loss", prediction.shape(), target.shape());
  return reduce(square(prediction - target), reduction);
}

template <class S>
Var<S> l1_loss(const Var<S>& prediction, const Var<S>& target, Reduction reduction) {
  check_same_shape("l1_loss", prediction.shape(), target.shape());
  return reduce(abs(prediction - target), reduction);
}

template <class S>
Var<S> huber_loss(const Var<S>& prediction, const Var<S>& target, double delta, Reduction reduction) {
  check_same_shape("huber_loss", prediction.shape(), target.shape());
  if (!(delta > 0.0)) throw ArgumentError(fmt::format("[huber_loss] delta want > 0, got {}", delta));
  const Var<S> d = prediction - target;
  const Mask inside = xt::abs(d.value()) <= static_cast<S>(delta);
  return reduce(where(inside, square(d) * 0.5, (abs(d) - delta / 2.0) * delta), reduction);
}

template <class S>
Var<S> smooth_l1_loss(const Var<S>& prediction, const Var<S>& target, double beta, Reduction reduction) {
  check_same_shape("smooth_l1_loss", prediction.shape(), target.shape());
  if (!(beta >= 0.0)) throw ArgumentError(fmt::format("[smooth_l1_loss] beta want >= 0, got {}", beta));
  if (beta == 0.0) return l1_loss(prediction, target, reduction);
  const Var<S> d = prediction - target;
  const Mask inside = xt::abs(d.value()) < static_cast<S>(beta);
  return reduce(where(inside, square(d) * (0.5 / beta), abs(d) - beta / 2.0), reduction);
}

template <class S>
Var<S> bce_with_logits(const Var<S>& logits, const Var<S>& target, const BceOptions<S>& options) {
  check_same_shape("bce_with_logits", logits.shape(), target.shape());
  check_weight("bce_with_logits", "weight", options.weight, logits.shape());
  check_weight("bce_with_logits", "pos_weight", options.pos_weight, logits.shape());
  // -log sigmoid(z) = softplus(-z) and -log(1 - sigmoid(z)) = softplus(-z) + z
  Var<S> miss = softplus(-logits);
  if (options.pos_weight.defined()) miss = (target * (options.pos_weight - 1.0) + 1.0) * miss;
  Var<S> losses = (1.0 - target) * logits + miss;
  if (options.weight.defined()) losses = losses * options.weight;
  return reduce(losses, options.reduction);
}

template <class S>
Var<S> kl_div_loss(const Var<S>& log_probabilities, const Var<S>& target, const KlDivOptions& options) {
  check_same_shape("kl_div_loss", log_probabilities.shape(), target.shape());
  Var<S> losses;
  if (options.log_target) {
    losses = exp(target) * (target - log_probabilities);
  } else {
    const Mask zero = xt::equal(target.value(), S(0));
    losses = target * log(masked_fill(target, zero, 1.0)) - target * log_probabilities;
  }
  switch (options.reduction) {
    case KlReduction::mean:
      return mean(losses);
    case KlReduction::sum:
      return sum(losses);
    case KlReduction::none:
      return losses;
    case KlReduction::batchmean:
      break;
  }
  if (losses.dimension() == 0) {
    throw ShapeError("[kl_div_loss] log_probabilities want (N,...) for batchmean, got ()");
  }
  return sum(losses) / static_cast<double>(losses.shape(0));
}

template <class S>
Var<S> cosine_embedding_loss(const Var<S>& x1, const Var<S>& x2, const IndexTensor& labels,
                             const CosineEmbeddingOptions& options) {
  constexpr double kEpsilon = 1e-12;  // PyTorch's
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  if (!(options.margin >= -1.0 && options.margin <= 1.0)) {
    throw ArgumentError(fmt::format("[cosine_embedding_loss] margin want -1..1, got {}", options.margin));
  }
  if (x1.dimension() == 0) throw ShapeError("[cosine_embedding_loss] x1 want (...,D), got ()");
  if (x2.shape() != x1.shape()) {
    throw ShapeError(
        fmt::format("[cosine_embedding_loss] x2 want {} (x1's shape; nothing broadcasts), got {}",
                    to_string(x1.shape()), to_string(x2.shape())));
  }
  Shape pairs = x1.shape();
  pairs.pop_back();
  if (labels.shape() != pairs) {
    throw ShapeError(fmt::format("[cosine_embedding_loss] labels want {} for x1 {}, got {}", to_string(pairs),
                                 to_string(x1.shape()), to_string(labels.shape())));
  }
  Mask alike(pairs);
  for (std::size_t i = 0; i < labels.size(); ++i) {
    const std::int64_t label = labels.data()[i];
    if (label != 1 && label != -1) {
      throw ArgumentError(
          fmt::format("[cosine_embedding_loss] labels want 1 or -1, got {} at position {}", label, i));
    }
    alike.data()[i] = label == 1;
  }
  const Var<S> length1 = sum(square(x1), {-1}) + kEpsilon, length2 = sum(square(x2), {-1}) + kEpsilon;
  const Var<S> cosine = sum(x1 * x2, {-1}) / sqrt(length1 * length2);
  return reduce(where(alike, 1.0 - cosine, clamp(cosine - options.margin, 0.0, kInfinity)),
                options.reduction);
}

#define UNROLL_INSTANTIATE(S)                                                                   \
  template Var<S> cross_entropy(const Var<S>&, const IndexTensor&, const CrossEntropyOptions&); \
  template Var<S> cross_entropy(const Var<S>&, const Var<S>&, const CrossEntropyOptions&);      \
  template Var<S> nll_loss(const Var<S>&, const IndexTensor&, const CrossEntropyOptions&);      \
  template Var<S> mse_loss(const Var<S>&, const Var<S>&, Reduction);                            \
  template Var<S> l1_loss(const Var<S>&, const Var<S>&, Reduction);                             \
  template Var<S> huber_loss(const Var<S>&, const Var<S>&, double, Reduction);                  \
  template Var<S> smooth_l1_loss(const Var<S>&, const Var<S>&, double, Reduction);              \
  template Var<S> bce_with_logits(const Var<S>&, const Var<S>&, const BceOptions<S>&);          \
  template Var<S> kl_div_loss(const Var<S>&, const Var<S>&, const KlDivOptions&);               \
  template Var<S> cosine_embedding_loss(const Var<S>&, const Var<S>&, const IndexTensor&,       \
                                        const CosineEmbeddingOptions&);
UNROLL_INSTANTIATE(float)
UNROLL_INSTANTIATE(double)
#undef UNROLL_INSTANTIATE

}  // namespace unroll
