#include "training/metrics/metrics.hpp"

#include <fmt/format.h>

#include <cmath>
#include <limits>
#include <numbers>

#include "framework/errors.hpp"
#include "training/metrics/class_scores.hpp"
#include "training/metrics/state_text.hpp"

namespace unroll {

Accuracy::Accuracy(const AccuracyOptions& options) : options_(options) {
  if (options.top_k < 1) {
    throw ArgumentError(fmt::format("[Accuracy] top_k: expected >= 1, got {}", options.top_k));
  }
}

template <class S>
void Accuracy::update(const Tensor<S>& scores, const IndexTensor& labels) {
  const detail::ClassScores<S> view("Accuracy", scores, labels, options_.ignore_index);
  if (static_cast<std::size_t>(options_.top_k) > view.classes()) {
    throw ShapeError(fmt::format("[Accuracy] scores: expected at least top_k = {} classes, got {}",
                                 options_.top_k, to_string(scores.shape())));
  }
  view.each([&](std::size_t position, std::size_t label) {
    // How many classes come before the label's. A NaN comes before every number.
    const S own = view.score(position, label);
    Index before = 0;
    for (std::size_t c = 0; c < view.classes(); ++c) {
      const S other = view.score(position, c);
      before += !(other <= own) || (other == own && c < label) ? 1 : 0;
    }
    right_ += before < options_.top_k ? 1 : 0;
    ++counted_;
  });
}
template void Accuracy::update(const Tensor<float>&, const IndexTensor&);
template void Accuracy::update(const Tensor<double>&, const IndexTensor&);

double Accuracy::value() const noexcept {
  return static_cast<double>(right_) / static_cast<double>(counted_);
}

std::string Accuracy::state() const { return fmt::format("{} {}", right_, counted_); }

void Accuracy::load_state(const std::string& state) {
  detail::StateText text("Accuracy", state);
  const auto right = text.count(), counted = text.count();
  text.end();
  right_ = right;
  counted_ = counted;
}

namespace detail {

std::string MeanMetric::state() const { return fmt::format("{} {}", sum_, weight_); }

void MeanMetric::load_state(const std::string& state) {
  StateText text("metric", state);
  const double sum = text.number(), weight = text.number();
  text.end();
  sum_ = sum;
  weight_ = weight;
}

void MeanMetric::add(const Sum& sum) noexcept {
  sum_ += sum.value;
  weight_ += sum.weight;
}

double MeanMetric::mean() const noexcept {
  return weight_ > 0.0 ? sum_ / weight_ : std::numeric_limits<double>::quiet_NaN();
}

namespace {

double squared(double d) { return d * d; }
double size_of(double d) { return std::abs(d); }

// Of (T,B,...): 0..T for each of the B sequences.
void check_lengths(const char* metric, const Shape& shape, const std::vector<Index>& lengths) {
  if (shape.size() < 2) {
    throw ShapeError(fmt::format("[{}] prediction: expected (T,B,...) when lengths are given, got {}", metric,
                                 to_string(shape)));
  }
  if (lengths.size() != shape[1]) {
    throw ShapeError(fmt::format("[{}] lengths: expected {} (one per sequence of {}), got {}", metric,
                                 shape[1], to_string(shape), lengths.size()));
  }
  for (std::size_t b = 0; b < lengths.size(); ++b) {
    if (lengths[b] >= 0 && static_cast<std::size_t>(lengths[b]) <= shape[0]) continue;
    throw ShapeError(fmt::format("[{}] lengths[{}]: expected 0..{} (the steps of {}), got {}", metric, b,
                                 shape[0], to_string(shape), lengths[b]));
  }
}

// Sum and number of f(prediction - target), over all elements or, with lengths, over those of the real steps.
template <class S>
MeanMetric::Sum sum_of(const char* metric, double (*f)(double), const Tensor<S>& prediction,
                       const Tensor<S>& target, const std::vector<Index>* lengths = nullptr) {
  const Shape& shape = target.shape();
  if (prediction.shape() != shape) {
    throw ShapeError(fmt::format("[{}] prediction: expected the target's shape {}, got {}", metric,
                                 to_string(shape), to_string(prediction.shape())));
  }
  MeanMetric::Sum sum;
  const auto add = [&](std::size_t first, std::size_t count) {
    double part = 0.0;
    for (std::size_t i = first; i < first + count; ++i) {
      part += f(static_cast<double>(prediction.data()[i]) - static_cast<double>(target.data()[i]));
    }
    sum.value += part;
    sum.weight += static_cast<double>(count);
  };
  if (lengths == nullptr) {
    add(0, target.size());
    return sum;
  }
  check_lengths(metric, shape, *lengths);
  if (target.size() == 0) return sum;
  const std::size_t width = target.size() / (shape[0] * shape[1]);
  for (std::size_t t = 0; t < shape[0]; ++t) {
    for (std::size_t b = 0; b < shape[1]; ++b) {
      if (t < static_cast<std::size_t>((*lengths)[b])) add((t * shape[1] + b) * width, width);
    }
  }
  return sum;
}

MeanMetric::Sum sum_of(const char* metric, double mean_loss, double weight) {
  if (!(weight >= 0.0 && std::isfinite(weight))) {
    throw ArgumentError(fmt::format("[{}] weight: expected a finite number >= 0, got {}", metric, weight));
  }
  return weight == 0.0 ? MeanMetric::Sum() : MeanMetric::Sum{mean_loss * weight, weight};
}

}  // namespace
}  // namespace detail

template <class S>
void Rmse::update(const Tensor<S>& prediction, const Tensor<S>& target) {
  add(detail::sum_of("Rmse", detail::squared, prediction, target));
}
template <class S>
void Rmse::update(const Tensor<S>& prediction, const Tensor<S>& target, const std::vector<Index>& lengths) {
  add(detail::sum_of("Rmse", detail::squared, prediction, target, &lengths));
}
double Rmse::value() const noexcept { return std::sqrt(mean()); }

template <class S>
void Mae::update(const Tensor<S>& prediction, const Tensor<S>& target) {
  add(detail::sum_of("Mae", detail::size_of, prediction, target));
}
template <class S>
void Mae::update(const Tensor<S>& prediction, const Tensor<S>& target, const std::vector<Index>& lengths) {
  add(detail::sum_of("Mae", detail::size_of, prediction, target, &lengths));
}
double Mae::value() const noexcept { return mean(); }

#define UNROLL_INSTANTIATE(S)                                                                \
  template void Rmse::update(const Tensor<S>&, const Tensor<S>&);                            \
  template void Rmse::update(const Tensor<S>&, const Tensor<S>&, const std::vector<Index>&); \
  template void Mae::update(const Tensor<S>&, const Tensor<S>&);                             \
  template void Mae::update(const Tensor<S>&, const Tensor<S>&, const std::vector<Index>&);
UNROLL_INSTANTIATE(float)
UNROLL_INSTANTIATE(double)
#undef UNROLL_INSTANTIATE

void Perplexity::update(double mean_loss, double weight) {
  add(detail::sum_of("Perplexity", mean_loss, weight));
}
double Perplexity::value() const noexcept { return std::exp(mean()); }

void BitsPerCharacter::update(double mean_loss, double weight) {
  add(detail::sum_of("BitsPerCharacter", mean_loss, weight));
}
double BitsPerCharacter::value() const noexcept { return mean() / std::numbers::ln2; }

}  // namespace unroll
