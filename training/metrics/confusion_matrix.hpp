// Confusion matrix, precision, recall and F1; classify, which predicts the classes of a data set.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "framework/tape.hpp"
#include "framework/tensor.hpp"
#include "training/data/batches.hpp"
#include "training/trainer/early_stopping.hpp"

namespace unroll {

// How per-class values are averaged. macro: mean over the classes that occur as label or prediction; micro:
// from the counts of all classes together; weighted: mean weighted by the number of labels.
enum class Average { macro, micro, weighted };

// Counts of (label, prediction). For a class with tp correct predictions, p predictions and n labels:
//   precision = tp / p,  recall = tp / n,  F1 = 2 tp / (p + n)
// and 0 for 0/0 (scikit-learn's definitions). A moved-from matrix has no classes and throws ArgumentError
// where it needs some.
class ConfusionMatrix {
 public:
  static constexpr std::string_view kName = "accuracy";
  static constexpr Goal kGoal = Goal::maximize;

  // Throws ArgumentError for classes outside 1..2^14. Labels equal to ignore_index do not count.
  explicit ConfusionMatrix(Index classes, Index ignore_index = -100);

  // scores (N,C) or (N,C,T), labels (N) or (N,T). The prediction is the argmax (the first on ties). Throws
  // ShapeError for mismatched shapes or a label outside 0..C-1; then nothing counts.
  template <class S>
  void update(const Tensor<S>& scores, const IndexTensor& labels);
  // The same for predicted classes, of the labels' shape.
  void update(const IndexTensor& predictions, const IndexTensor& labels);

  Index classes() const noexcept { return counts_.empty() ? 0 : classes_; }
  // How often this label got this prediction. Throws ArgumentError for a class outside 0..C-1.
  std::int64_t count(Index label, Index prediction) const;
  std::int64_t total() const noexcept;

  double accuracy() const noexcept;  // NaN before the first
  double precision(Index label) const;
  double recall(Index label) const;
  double f1(Index label) const;
  double precision(Average average) const noexcept;
  double recall(Average average) const noexcept;
  double f1(Average average) const noexcept;
  double value() const noexcept { return accuracy(); }

  // A table with one row per label and one column per prediction, recall at the right and precision below.
  // names (C): of the classes; empty: their numbers. Throws ArgumentError for another number of names.
  std::string table(const std::vector<std::string>& names = {}) const;

  // The counts as text. load_state throws ArgumentError for anything else.
  std::string state() const;
  void load_state(const std::string& state);

 private:
  struct Of {
    std::int64_t right, predicted, labelled;
  };
  Of of(Index label) const;
  template <class F>
  double averaged(Average average, F&& f) const noexcept;

  Index classes_, ignore_index_;
  std::vector<std::int64_t> counts_;  // [label][prediction]
};

// One value of a confusion matrix, as a trainer's metric.
struct Precision : ConfusionMatrix {
  static constexpr std::string_view kName = "precision";
  explicit Precision(Index classes, Average how = Average::macro, Index ignore_index = -100)
      : ConfusionMatrix(classes, ignore_index), average(how) {}
  double value() const noexcept { return precision(average); }
  Average average;
};

struct Recall : ConfusionMatrix {
  static constexpr std::string_view kName = "recall";
  explicit Recall(Index classes, Average how = Average::macro, Index ignore_index = -100)
      : ConfusionMatrix(classes, ignore_index), average(how) {}
  double value() const noexcept { return recall(average); }
  Average average;
};

struct F1 : ConfusionMatrix {
  static constexpr std::string_view kName = "f1";
  explicit F1(Index classes, Average how = Average::macro, Index ignore_index = -100)
      : ConfusionMatrix(classes, ignore_index), average(how) {}
  double value() const noexcept { return f1(average); }
  Average average;
};

struct Classified {
  std::int64_t label;
  double probability;
};

namespace detail {
// Appends the argmax of each row (B,C), the first on ties, and its softmax. Throws ShapeError for other axes
// or another B.
template <class S>
void append_classes(std::vector<Classified>& to, const Tensor<S>& scores, std::size_t samples);
}  // namespace detail

// The most probable class of every sample by model(batch), scores (B,C), in the data set's order. Put the
// model in evaluation mode first. Throws ShapeError for scores of another shape.
template <class Model, class S>
std::vector<Classified> classify(const Model& model, const SequenceDataset<S>& data, Index batch_size = 256) {
  const NoGrad no_recording;
  std::vector<Classified> classes;
  if (data.empty()) return classes;
  const Batches<S> batches(data, {.batch_size = batch_size});
  for (std::size_t i = 0; i < batches.size(); ++i) {
    const Batch<S> batch = batches.batch(i);
    detail::append_classes(classes, model(batch).value(), batch.lengths.size());
  }
  return classes;
}

// Compares them with the samples' labels. Throws ArgumentError unless there is one label per sample.
ConfusionMatrix confusion_matrix(std::span<const Classified> classes, std::span<const std::int64_t> labels,
                                 std::size_t class_count);

}  // namespace unroll
