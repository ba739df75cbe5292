#include "training/metrics/classify.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "framework/errors.hpp"

namespace unroll {

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
