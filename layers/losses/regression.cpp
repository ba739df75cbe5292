#include "layers/losses.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "framework/errors.hpp"
#include "framework/kernels/pointwise.hpp"
#include "framework/kernels/reduce.hpp"
#include "framework/ops/chain.hpp"
#include "layers/losses/reduce.hpp"

namespace unroll {

void detail::check_same_shape(const char* loss, const Shape& prediction, const Shape& target) {
  if (prediction != target) {
    throw ShapeError(
        fmt::format("[{}] target: expected {} (the prediction's shape; nothing broadcasts), got {}", loss,
                    to_string(prediction), to_string(target)));
  }
}

namespace {

using detail::chain;
using detail::check_same_shape;
using detail::reduce;

// Element weights may omit or repeat axes, but must not enlarge the result.
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
    throw ShapeError(fmt::format("[{}] {}: expected a shape that broadcasts to the logits' {}, got {}", loss,
                                 name, to_string(shape), to_string(given)));
  }
}

}  // namespace

// One op if it is reduced: recording ops dominates the step of a tiny model.
template <class S>
Var<S> mse_loss(const Var<S>& prediction, const Var<S>& target, Reduction reduction) {
  check_same_shape("mse_loss", prediction.shape(), target.shape());
  if (reduction == Reduction::none) return square(prediction - target);
  const std::size_t n = prediction.size();
  const S share = reduction == Reduction::mean ? S(1) / static_cast<S>(n) : S(1);
  Buffer<S> difference(n);
  S* d = difference.data();
  kernel::pointwise<S>().subtract.same(prediction.data(), target.data(), d, n);
  kernel::pointwise<S>().square(d, d, n);
  Var<S> loss = Var<S>::uninitialized(Shape{});
  S* sum = loss.raw();
  kernel::reductions<S>().sum(d, 1, n, 1, sum, nullptr);
  *sum *= share;
  const auto rule = [share](const Var<S>& from, const Var<S>& to) {
    return input(from, [from, to, c = 2.0 * static_cast<double>(share)](const Var<S>& g) {
      // A scalar g saves a broadcast; a Var g can be differentiated.
      if (Tape::is_recording()) return chain(g * c, from - to);
      const double factor = static_cast<double>(g.item()) * c;
      return factor == 0.0 ? Var<S>::zeros(from.shape()) : (from - to) * factor;
    });
  };
  return record("mse_loss", std::move(loss), rule(prediction, target), rule(target, prediction));
}

template <class S>
Var<S> l1_loss(const Var<S>& prediction, const Var<S>& target, Reduction reduction) {
  check_same_shape("l1_loss", prediction.shape(), target.shape());
  return reduce(abs(prediction - target), reduction);
}

template <class S>
Var<S> huber_loss(const Var<S>& prediction, const Var<S>& target, double delta, Reduction reduction) {
  check_same_shape("huber_loss", prediction.shape(), target.shape());
  if (!(delta > 0.0)) throw ArgumentError(fmt::format("[huber_loss] delta: expected > 0, got {}", delta));
  const Var<S> d = prediction - target;
  const Mask inside = xt::abs(d.value()) <= static_cast<S>(delta);
  return reduce(where(inside, square(d) * 0.5, (abs(d) - delta / 2.0) * delta), reduction);
}

template <class S>
Var<S> smooth_l1_loss(const Var<S>& prediction, const Var<S>& target, double beta, Reduction reduction) {
  check_same_shape("smooth_l1_loss", prediction.shape(), target.shape());
  if (!(beta >= 0.0)) throw ArgumentError(fmt::format("[smooth_l1_loss] beta: expected >= 0, got {}", beta));
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
  const Var<S>& v = options.pos_weight;
  const Var<S> miss = softplus(-logits);  // -log sigmoid(z)
  Var<S> losses;
  S lowest;
  kernel::reductions<S>().min(logits.data(), 1, logits.size(), 1, &lowest, nullptr);
  if (lowest > -std::numeric_limits<S>::infinity()) {
    // -log(1 - sigmoid(z)) = softplus(-z) + z
    losses = chain(1.0 - target, logits) + (v.defined() ? chain(target * (v - 1.0) + 1.0, miss) : miss);
  } else {
    // That would be inf - inf; softplus(z) is the same.
    losses = chain(1.0 - target, softplus(logits)) + chain(v.defined() ? target * v : target, miss);
  }
  if (options.weight.defined()) losses = chain(options.weight, losses);
  return reduce(losses, options.reduction);
}

template <class S>
Var<S> kl_div_loss(const Var<S>& log_probabilities, const Var<S>& target, const KlDivOptions& options) {
  check_same_shape("kl_div_loss", log_probabilities.shape(), target.shape());
  // A class with target 0 adds nothing, even if its log-probability is -inf.
  Var<S> losses;
  if (options.log_target) {
    const Mask ruled_out = xt::equal(xt::exp(target.value()), S(0));
    const Var<S> q = masked_fill(target, ruled_out, 0.0);
    losses = masked_fill(exp(q) * (q - log_probabilities), ruled_out, 0.0);
  } else {
    const Mask ruled_out = xt::equal(target.value(), S(0));
    losses = target * log(masked_fill(target, ruled_out, 1.0)) - chain(target, log_probabilities);
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
    throw ShapeError("[kl_div_loss] log_probabilities: expected (N,...) for batchmean, got ()");
  }
  return sum(losses) / static_cast<double>(losses.shape(0));
}

template <class S>
Var<S> cosine_embedding_loss(const Var<S>& x1, const Var<S>& x2, const IndexTensor& labels,
                             const CosineEmbeddingOptions& options) {
  constexpr double kEpsilon = 1e-12;  // PyTorch's
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  if (!(options.margin >= -1.0 && options.margin <= 1.0)) {
    throw ArgumentError(
        fmt::format("[cosine_embedding_loss] margin: expected -1..1, got {}", options.margin));
  }
  if (x1.dimension() == 0) throw ShapeError("[cosine_embedding_loss] x1: expected (...,D), got ()");
  if (x2.shape() != x1.shape()) {
    throw ShapeError(
        fmt::format("[cosine_embedding_loss] x2: expected {} (x1's shape; nothing broadcasts), got {}",
                    to_string(x1.shape()), to_string(x2.shape())));
  }
  Shape pairs = x1.shape();
  pairs.pop_back();
  if (labels.shape() != pairs) {
    throw ShapeError(fmt::format("[cosine_embedding_loss] labels: expected {} for x1 {}, got {}",
                                 to_string(pairs), to_string(x1.shape()), to_string(labels.shape())));
  }
  Mask alike(pairs);
  for (std::size_t i = 0; i < labels.size(); ++i) {
    const std::int64_t label = labels.data()[i];
    if (label != 1 && label != -1) {
      throw ArgumentError(
          fmt::format("[cosine_embedding_loss] labels: expected 1 or -1, got {} at position {}", label, i));
    }
    alike.data()[i] = label == 1;
  }
  const Var<S> length1 = sum(square(x1), {-1}) + kEpsilon, length2 = sum(square(x2), {-1}) + kEpsilon;
  const Var<S> cosine = sum(x1 * x2, {-1}) / sqrt(length1 * length2);
  return reduce(where(alike, 1.0 - cosine, clamp(cosine - options.margin, 0.0, kInfinity)),
                options.reduction);
}

#define UNROLL_INSTANTIATE(S)                                                             \
  template Var<S> mse_loss(const Var<S>&, const Var<S>&, Reduction);                      \
  template Var<S> l1_loss(const Var<S>&, const Var<S>&, Reduction);                       \
  template Var<S> huber_loss(const Var<S>&, const Var<S>&, double, Reduction);            \
  template Var<S> smooth_l1_loss(const Var<S>&, const Var<S>&, double, Reduction);        \
  template Var<S> bce_with_logits(const Var<S>&, const Var<S>&, const BceOptions<S>&);    \
  template Var<S> kl_div_loss(const Var<S>&, const Var<S>&, const KlDivOptions&);         \
  template Var<S> cosine_embedding_loss(const Var<S>&, const Var<S>&, const IndexTensor&, \
                                        const CosineEmbeddingOptions&);
UNROLL_INSTANTIATE(float)
UNROLL_INSTANTIATE(double)
#undef UNROLL_INSTANTIATE

}  // namespace unroll
