#include "training/metrics.hpp"

#include <fmt/format.h>

#include <cmath>
#include <limits>
#include <numbers>

#include "framework/errors.hpp"
#include "training/class_scores.hpp"
#include "training/state_text.hpp"

namespace unroll {

Accuracy::Accuracy(const AccuracyOptions& options) : options_(options) {
  if (options.top_k < 1) {
    throw ArgumentError(fmt::format("[Accuracy] top_k want >= 1, got {}", options.top_k));
  }
}

template <class S>
void Accuracy::update(const Tensor<S>& scores, const IndexTensor& labels) {
  const detail::ClassScores<S> view("Accuracy", scores, labels, options_.ignore_index);
  if (static_cast<std::size_t>(options_.top_k) > view.classes()) {
    throw ShapeError(fmt::format("[Accuracy] scores want at least top_k = {} classes, got {}", options_.top_k,
                                 to_string(scores.shape())));
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

double MeanMetric::mean() const noexcept {
  return weight_ > 0.0 ? sum_ / weight_ : std::numeric_limits<double>::quiet_NaN();
}

namespace {

template <class S, class F>
double sum_of(const char* metric, const Tensor<S>& prediction, const Tensor<S>& target, F f) {
  if (prediction.shape() != target.shape()) {
    throw ShapeError(fmt::format("[{}] prediction want the target's shape {}, got {}", metric,
                                 to_string(target.shape()), to_string(prediction.shape())));
  }
  double sum = 0.0;
  for (std::size_t i = 0; i < target.size(); ++i) {
    sum += f(static_cast<double>(prediction.data()[i]) - static_cast<double>(target.data()[i]));
  }
  return sum;
}

void check_weight(const char* metric, double weight) {
  if (weight >= 0.0 && std::isfinite(weight)) return;
  throw ArgumentError(fmt::format("[{}] weight want a finite number >= 0, got {}", metric, weight));
}

}  // namespace
}  // namespace detail

template <class S>
void Rmse::update(const Tensor<S>& prediction, const Tensor<S>& target) {
  sum_ += detail::sum_of("Rmse", prediction, target, [](double d) { return d * d; });
  weight_ += static_cast<double>(target.size());
}
template void Rmse::update(const Tensor<float>&, const Tensor<float>&);
template void Rmse::update(const Tensor<double>&, const Tensor<double>&);
double Rmse::value() const noexcept { return std::sqrt(mean()); }

template <class S>
void Mae::update(const Tensor<S>& prediction, const Tensor<S>& target) {
  sum_ += detail::sum_of("Mae", prediction, target, [](double d) { return std::abs(d); });
  weight_ += static_cast<double>(target.size());
}
template void Mae::update(const Tensor<float>&, const Tensor<float>&);
template void Mae::update(const Tensor<double>&, const Tensor<double>&);
double Mae::value() const noexcept { return mean(); }

void Perplexity::update(double mean_loss, double weight) {
  detail::check_weight("Perplexity", weight);
  if (weight == 0.0) return;
  sum_ += mean_loss * weight;
  weight_ += weight;
}
double Perplexity::value() const noexcept { return std::exp(mean()); }

void BitsPerCharacter::update(double mean_loss, double weight) {
  detail::check_weight("BitsPerCharacter", weight);
  if (weight == 0.0) return;
  sum_ += mean_loss * weight;
  weight_ += weight;
}
double BitsPerCharacter::value() const noexcept { return mean() / std::numbers::ln2; }

}  // namespace unroll
