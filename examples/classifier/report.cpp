#include "examples/classifier/report.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

namespace unroll::examples::classifier {
namespace {

constexpr std::size_t kWidestLabel = 14;

// Cuts a label to whole characters; fmt pads by what a terminal shows.
std::string shorten(const std::string& label) {
  const auto letters = characters(label, "label");
  if (letters.size() <= kWidestLabel) return label;
  return std::accumulate(letters.begin(), letters.begin() + (kWidestLabel - 2), std::string()) + "..";
}

std::string percent(Index part, Index whole) {
  if (whole == 0) return "-";
  return fmt::format("{:.1f}%", 100.0 * static_cast<double>(part) / static_cast<double>(whole));
}

}  // namespace

std::string describe(const Dataset& data) {
  const Encoding& encoding = data.encoding;
  const std::string form = encoding.is_text()
                               ? fmt::format("texts of {} letters: {}", encoding.vocabulary.size(),
                                             shorten_list(encoding.vocabulary, ""))
                               : fmt::format("{} steps of {} numbers", encoding.steps, encoding.features);
  return fmt::format("{} train, {} valid, {} test rows; {}\n{} classes: {}\n", data.train.size(),
                     data.valid.size(), data.test.size(), form, encoding.labels.size(),
                     shorten_list(encoding.labels, ", "));
}

std::string describe(const EpochResult& result, Index epochs) {
  return fmt::format(
      "epoch {:>{}}/{}  train loss {:.4f} accuracy {:5.2f}%  valid loss {:.4f} accuracy {:5.2f}%{}\n",
      result.epoch, std::to_string(epochs).size(), epochs, result.train_loss, 100.0 * result.train_accuracy,
      result.valid.loss, 100.0 * result.valid.accuracy, result.best ? "  *" : "");
}

std::string confusion_table(const Evaluation& evaluation, const std::vector<std::string>& labels) {
  const auto& counts = evaluation.confusion;
  std::size_t label_width = 9, cell = 6;  // "precision", "100.0%"
  for (const std::string& label : labels) {
    const std::size_t width = characters(shorten(label), "label").size();
    label_width = std::max(label_width, width);
    cell = std::max(cell, width);
  }
  for (const auto& row : counts) {
    for (const Index n : row) cell = std::max(cell, std::to_string(n).size());
  }

  std::string text = fmt::format("{:<{}}", "true", label_width);
  for (const std::string& label : labels) text += fmt::format("  {:>{}}", shorten(label), cell);
  text += "  recall\n";
  std::vector<Index> column(labels.size(), 0);
  for (std::size_t truth = 0; truth < labels.size(); ++truth) {
    const auto& row = counts[truth];
    text += fmt::format("{:<{}}", shorten(labels[truth]), label_width);
    for (std::size_t predicted = 0; predicted < labels.size(); ++predicted) {
      text += fmt::format("  {:>{}}", row[predicted], cell);
      column[predicted] += row[predicted];
    }
    text += fmt::format("  {:>6}\n", percent(row[truth], std::accumulate(row.begin(), row.end(), Index{0})));
  }
  text += fmt::format("{:<{}}", "precision", label_width);
  for (std::size_t k = 0; k < labels.size(); ++k)
    text += fmt::format("  {:>{}}", percent(counts[k][k], column[k]), cell);
  return text + "\n";
}

}  // namespace unroll::examples::classifier
