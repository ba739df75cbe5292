#include "training/metrics/confusion_matrix.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "framework/errors.hpp"
#include "framework/quoted.hpp"
#include "training/metrics/class_scores.hpp"
#include "training/metrics/state_text.hpp"
#include "training/moved_from.hpp"

namespace unroll {
namespace {

constexpr std::size_t kWidestName = 14;
constexpr Index kMostClasses = 1 << 14;  // a table of 2 GiB

double ratio(std::int64_t part, std::int64_t whole) noexcept {
  return whole == 0 ? 0.0 : static_cast<double>(part) / static_cast<double>(whole);
}

std::string percent(std::int64_t part, std::int64_t whole) {
  return whole == 0 ? "-" : fmt::format("{:.1f}%", 100.0 * ratio(part, whole));
}

bool continues_character(char c) noexcept { return (static_cast<unsigned char>(c) & 0xC0U) == 0x80U; }

// Number of characters in UTF-8.
std::size_t length(const std::string& text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return !continues_character(c); }));
}

// Cut to whole characters.
std::string shorten(const std::string& name) {
  if (length(name) <= kWidestName) return name;
  std::size_t characters = 0, end = 0;
  while (characters < kWidestName - 2 || continues_character(name[end])) {
    ++end;
    if (!continues_character(name[end])) ++characters;
  }
  return name.substr(0, end) + "..";
}

// fmt pads by what a terminal shows; a name that is not UTF-8 by its bytes.
std::string right_aligned(const std::string& text, std::size_t width) {
  const std::size_t have = length(text);
  return std::string(width > have ? width - have : 0, ' ') + text;
}
std::string left_aligned(const std::string& text, std::size_t width) {
  const std::size_t have = length(text);
  return text + std::string(width > have ? width - have : 0, ' ');
}

}  // namespace

ConfusionMatrix::ConfusionMatrix(Index classes, Index ignore_index)
    : classes_(classes), ignore_index_(ignore_index) {
  if (classes < 1 || classes > kMostClasses) {
    throw ArgumentError(
        fmt::format("[ConfusionMatrix] classes: expected 1..{}, got {}", kMostClasses, classes));
  }
  counts_.assign(static_cast<std::size_t>(classes * classes), 0);
}

template <class S>
void ConfusionMatrix::update(const Tensor<S>& scores, const IndexTensor& labels) {
  detail::require_contents(!counts_.empty(), "ConfusionMatrix.update");
  const detail::ClassScores<S> view("ConfusionMatrix", scores, labels, ignore_index_);
  const auto classes = static_cast<std::size_t>(classes_);
  if (view.classes() != classes) {
    throw ShapeError(fmt::format("[ConfusionMatrix] scores: expected {} classes on axis 1, got {}", classes,
                                 to_string(scores.shape())));
  }
  view.each([&](std::size_t position, std::size_t label) {
    std::size_t largest = 0;
    for (std::size_t c = 1; c < classes; ++c) {
      if (view.score(position, c) > view.score(position, largest)) largest = c;
    }
    ++counts_[label * classes + largest];
  });
}
template void ConfusionMatrix::update(const Tensor<float>&, const IndexTensor&);
template void ConfusionMatrix::update(const Tensor<double>&, const IndexTensor&);

void ConfusionMatrix::update(const IndexTensor& predictions, const IndexTensor& labels) {
  detail::require_contents(!counts_.empty(), "ConfusionMatrix.update");
  if (predictions.shape() != labels.shape()) {
    throw ShapeError(fmt::format("[ConfusionMatrix] predictions: expected the labels' shape {}, got {}",
                                 to_string(labels.shape()), to_string(predictions.shape())));
  }
  const auto classes = static_cast<std::size_t>(classes_);
  detail::check_labels("ConfusionMatrix", "labels", labels, classes, ignore_index_);
  // What is predicted where the label does not count may be anything.
  IndexTensor counted = predictions;
  for (std::size_t i = 0; i < labels.size(); ++i) {
    if (labels.data()[i] == ignore_index_) counted.data()[i] = 0;
  }
  detail::check_labels("ConfusionMatrix", "predictions", counted, classes, 0);
  for (std::size_t i = 0; i < labels.size(); ++i) {
    if (labels.data()[i] == ignore_index_) continue;
    ++counts_[static_cast<std::size_t>(labels.data()[i]) * classes +
              static_cast<std::size_t>(counted.data()[i])];
  }
}

std::int64_t ConfusionMatrix::count(Index label, Index prediction) const {
  detail::require_contents(!counts_.empty(), "ConfusionMatrix.count");
  for (const Index c : {label, prediction}) {
    if (c >= 0 && c < classes_) continue;
    throw ArgumentError(
        fmt::format("[ConfusionMatrix.count] class: expected 0..{}, got {}", classes_ - 1, c));
  }
  return counts_[static_cast<std::size_t>(label * classes_ + prediction)];
}

std::int64_t ConfusionMatrix::total() const noexcept {
  return std::accumulate(counts_.begin(), counts_.end(), std::int64_t{0});
}

ConfusionMatrix::Of ConfusionMatrix::of(Index label) const {
  Of result{count(label, label), 0, 0};
  for (Index c = 0; c < classes_; ++c) {
    result.predicted += count(c, label);
    result.labelled += count(label, c);
  }
  return result;
}

double ConfusionMatrix::accuracy() const noexcept {
  std::int64_t right = 0;
  for (Index c = 0; c < classes(); ++c) right += counts_[static_cast<std::size_t>(c * (classes_ + 1))];
  return static_cast<double>(right) / static_cast<double>(total());
}

double ConfusionMatrix::precision(Index label) const {
  const Of n = of(label);
  return ratio(n.right, n.predicted);
}
double ConfusionMatrix::recall(Index label) const {
  const Of n = of(label);
  return ratio(n.right, n.labelled);
}
double ConfusionMatrix::f1(Index label) const {
  const Of n = of(label);
  return ratio(2 * n.right, n.predicted + n.labelled);
}

// f(counts of one class, or of all) over the classes.
template <class F>
double ConfusionMatrix::averaged(Average average, F&& f) const noexcept {
  Of all{0, 0, 0};
  double sum = 0.0, weighted = 0.0, occurring = 0.0;
  for (Index c = 0; c < classes(); ++c) {
    const Of n = of(c);
    all = {all.right + n.right, all.predicted + n.predicted, all.labelled + n.labelled};
    if (n.predicted + n.labelled == 0) continue;
    sum += f(n);
    weighted += f(n) * static_cast<double>(n.labelled);
    occurring += 1.0;
  }
  if (all.labelled == 0) return 0.0;
  if (average == Average::micro) return f(all);
  return average == Average::macro ? sum / occurring : weighted / static_cast<double>(all.labelled);
}

double ConfusionMatrix::precision(Average average) const noexcept {
  return averaged(average, [](const Of& n) { return ratio(n.right, n.predicted); });
}
double ConfusionMatrix::recall(Average average) const noexcept {
  return averaged(average, [](const Of& n) { return ratio(n.right, n.labelled); });
}
double ConfusionMatrix::f1(Average average) const noexcept {
  return averaged(average, [](const Of& n) { return ratio(2 * n.right, n.predicted + n.labelled); });
}

std::string ConfusionMatrix::table(const std::vector<std::string>& names) const {
  detail::require_contents(!counts_.empty(), "ConfusionMatrix.table");
  const auto classes = static_cast<std::size_t>(classes_);
  if (!names.empty() && names.size() != classes) {
    throw ArgumentError(
        fmt::format("[ConfusionMatrix.table] names: expected {} or none, got {}", classes, names.size()));
  }
  std::size_t name_width = 9, cell = 6;  // "precision", "100.0%"
  std::vector<std::string> labels;
  for (std::size_t c = 0; c < classes; ++c) {
    labels.push_back(shorten(names.empty() ? std::to_string(c) : names[c]));
    name_width = std::max(name_width, length(labels[c]));
    cell = std::max(cell, length(labels[c]));
  }
  for (const std::int64_t n : counts_) cell = std::max(cell, std::to_string(n).size());

  std::string text = left_aligned("true", name_width);
  for (const std::string& label : labels) text += "  " + right_aligned(label, cell);
  text += "  recall\n";
  for (Index truth = 0; truth < classes_; ++truth) {
    text += left_aligned(labels[static_cast<std::size_t>(truth)], name_width);
    for (Index predicted = 0; predicted < classes_; ++predicted) {
      text += fmt::format("  {:>{}}", count(truth, predicted), cell);
    }
    const Of n = of(truth);
    text += fmt::format("  {:>6}\n", percent(n.right, n.labelled));
  }
  text += left_aligned("precision", name_width);
  for (Index c = 0; c < classes_; ++c) {
    const Of n = of(c);
    text += fmt::format("  {:>{}}", percent(n.right, n.predicted), cell);
  }
  return text + "\n";
}

std::string ConfusionMatrix::state() const {
  detail::require_contents(!counts_.empty(), "ConfusionMatrix.state");
  std::string text = std::to_string(classes_);
  for (const std::int64_t n : counts_) text += " " + std::to_string(n);
  return text;
}

void ConfusionMatrix::load_state(const std::string& state) {
  detail::require_contents(!counts_.empty(), "ConfusionMatrix.load_state");
  detail::StateText text("ConfusionMatrix", state);
  if (text.count() != classes_) {
    throw ArgumentError(fmt::format("[ConfusionMatrix.load_state] state: expected {} classes, got {}",
                                    classes_, unroll::quoted(state)));
  }
  std::vector<std::int64_t> counts(counts_.size());
  for (std::int64_t& n : counts) n = text.count();
  text.end();
  counts_ = std::move(counts);
}

template <class S>
void detail::append_classes(std::vector<Classified>& to, const Tensor<S>& scores, std::size_t samples) {
  const Shape& shape = scores.shape();
  if (shape.size() != 2 || shape[0] != samples || shape[1] == 0) {
    throw ShapeError(
        fmt::format("[classify] scores: expected ({},C) with C >= 1, got {}", samples, to_string(shape)));
  }
  for (std::size_t n = 0; n < samples; ++n) {
    const S* row = scores.data() + n * shape[1];
    const S* best = std::max_element(row, row + shape[1]);
    double sum = 0.0;
    for (std::size_t c = 0; c < shape[1]; ++c) sum += std::exp(static_cast<double>(row[c] - *best));
    to.push_back({best - row, 1.0 / sum});
  }
}

ConfusionMatrix confusion_matrix(std::span<const Classified> classes, std::span<const std::int64_t> labels,
                                 std::size_t class_count) {
  if (classes.size() != labels.size()) {
    throw ArgumentError(fmt::format("[confusion_matrix] labels: expected {} (one per sample), got {}",
                                    classes.size(), labels.size()));
  }
  IndexTensor predicted(Shape{classes.size()}), wanted(Shape{classes.size()});
  for (std::size_t n = 0; n < classes.size(); ++n) {
    predicted(n) = classes[n].label;
    wanted(n) = labels[n];
  }
  ConfusionMatrix matrix(static_cast<Index>(class_count));
  matrix.update(predicted, wanted);
  return matrix;
}

template void detail::append_classes(std::vector<Classified>&, const Tensor<float>&, std::size_t);
template void detail::append_classes(std::vector<Classified>&, const Tensor<double>&, std::size_t);

}  // namespace unroll
