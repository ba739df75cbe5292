// Metrics, accumulated exactly over any number of batches.
//
//   Accuracy accuracy;
//   for (const Batch& batch : batches) accuracy.update(model(batch.x).value(), batch.labels);
//   accuracy.value();   // of all samples, however they were batched
//
// A custom metric is a copyable struct with kName, kGoal, value(), state(), load_state() and one of
//   update(result, batch)                   result: what the loss returned
//   update(Tensor outputs, Tensor targets)  for a loss that returns both (LossOutput)
//   update(double mean_loss, double weight)
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "framework/tensor.hpp"
#include "training/trainer/early_stopping.hpp"

namespace unroll {

struct AccuracyOptions {
  Index top_k = 1;            // right if the label is among the k largest scores (the first on ties)
  Index ignore_index = -100;  // this label does not count
};

// The fraction of labels (N) or (N,T) that scores (N,C) or (N,C,T) predict.
class Accuracy {
 public:
  static constexpr std::string_view kName = "accuracy";
  static constexpr Goal kGoal = Goal::maximize;

  // Throws ArgumentError for top_k < 1.
  explicit Accuracy(const AccuracyOptions& options = {});
  // Throws ShapeError for mismatched shapes, a label outside 0..C-1 or top_k > C; then nothing counts.
  template <class S>
  void update(const Tensor<S>& scores, const IndexTensor& labels);
  // right / counted; NaN before the first label.
  double value() const noexcept;
  std::int64_t counted() const noexcept { return counted_; }

  // The counts as text. load_state throws ArgumentError for anything else.
  std::string state() const;
  void load_state(const std::string& state);

 private:
  AccuracyOptions options_;
  std::int64_t right_ = 0, counted_ = 0;
};

namespace detail {

// A sum and its divisor.
class MeanMetric {
 public:
  struct Sum {
    double value = 0.0, weight = 0.0;
  };
  std::string state() const;
  void load_state(const std::string& state);

 protected:
  void add(const Sum& sum) noexcept;
  double mean() const noexcept;  // NaN before the first
  double sum_ = 0.0, weight_ = 0.0;
};

}  // namespace detail

// sqrt(sum (prediction - target)^2 / count), over all elements or those of the real steps.
class Rmse : public detail::MeanMetric {
 public:
  static constexpr std::string_view kName = "rmse";
  static constexpr Goal kGoal = Goal::minimize;
  // Throws ShapeError for different shapes.
  template <class S>
  void update(const Tensor<S>& prediction, const Tensor<S>& target);
  // Of (T,B,...) only the steps t < lengths[b]: padding does not count. Throws ShapeError for other lengths.
  template <class S>
  void update(const Tensor<S>& prediction, const Tensor<S>& target, const std::vector<Index>& lengths);
  double value() const noexcept;
};

// sum |prediction - target| / count, over the same.
class Mae : public detail::MeanMetric {
 public:
  static constexpr std::string_view kName = "mae";
  static constexpr Goal kGoal = Goal::minimize;
  // Throws ShapeError for different shapes.
  template <class S>
  void update(const Tensor<S>& prediction, const Tensor<S>& target);
  // Of (T,B,...) only the steps t < lengths[b]: padding does not count. Throws ShapeError for other lengths.
  template <class S>
  void update(const Tensor<S>& prediction, const Tensor<S>& target, const std::vector<Index>& lengths);
  double value() const noexcept;
};

// exp of the mean negative log-likelihood in nats, which cross_entropy computes.
class Perplexity : public detail::MeanMetric {
 public:
  static constexpr std::string_view kName = "perplexity";
  static constexpr Goal kGoal = Goal::minimize;
  // weight: the number of tokens in the mean. Throws ArgumentError for a negative one.
  void update(double mean_loss, double weight);
  double value() const noexcept;
};

// The mean negative log-likelihood in bits: mean / ln 2.
class BitsPerCharacter : public detail::MeanMetric {
 public:
  static constexpr std::string_view kName = "bits_per_character";
  static constexpr Goal kGoal = Goal::minimize;
  void update(double mean_loss, double weight);
  double value() const noexcept;
};

}  // namespace unroll
