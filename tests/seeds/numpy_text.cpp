#include "seeds/numpy_text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "framework/errors.hpp"

namespace unroll::seeds {
namespace {

constexpr std::size_t kLineWidth = 75;

void check_range(const Tensor<double>& array) {
  double largest = 0.0, smallest = HUGE_VAL;
  for (double v : array.storage()) {
    if (v == 0.0) continue;
    largest = std::max(largest, std::abs(v));
    smallest = std::min(smallest, std::abs(v));
  }
  if (largest == 0.0) return;
  if (!(largest < 1e8) || smallest < 1e-4 || largest / smallest > 1000.0) {
    throw ArgumentError(
        fmt::format("[numpy_text] array: expected elements that NumPy prints without exponents, got {} to {}",
                    smallest, largest));
  }
}

// Every element, aligned at the point and padded to the same width.
std::vector<std::string> words_of(const Tensor<double>& array) {
  std::vector<std::string> words;
  std::size_t left = 0, right = 0;
  for (double v : array.storage()) {
    std::string word = fmt::format("{:.8f}", v);
    word.erase(word.find_last_not_of('0') + 1);
    const std::size_t point = word.find('.');
    left = std::max(left, point);
    right = std::max(right, word.size() - point - 1);
    words.push_back(std::move(word));
  }
  for (std::string& word : words) {
    word.insert(0, left - word.find('.'), ' ');
    word.append(left + 1 + right - word.size(), ' ');
  }
  return words;
}

std::string brackets(const std::vector<std::string>& words, const Shape& shape, std::size_t axis,
                     std::size_t& next) {
  const std::string indent(axis + 1, ' ');
  std::string text = "[";
  if (axis + 1 == shape.size()) {
    const std::size_t width = kLineWidth - axis - 1;
    std::string line = indent;
    for (std::size_t i = 0; i < shape[axis]; ++i) {
      const std::string& word = words[next++];
      if (line.size() + word.size() > width && line.size() > indent.size()) {
        line.erase(line.find_last_not_of(' ') + 1);
        text += line.substr(text.size() == 1 ? indent.size() : 0) + "\n";
        line = indent;
      }
      line += word + (i + 1 < shape[axis] ? " " : "");
    }
    text += line.substr(text.size() == 1 ? indent.size() : 0);
  } else {
    for (std::size_t i = 0; i < shape[axis]; ++i) {
      if (i > 0) text += std::string(shape.size() - axis - 1, '\n') + indent;
      text += brackets(words, shape, axis + 1, next);
    }
  }
  return text + "]";
}

}  // namespace

std::string numpy_text(const Tensor<double>& array) {
  check_range(array);
  const std::vector<std::string> words = words_of(array);
  if (array.dimension() == 0) return words[0];
  std::size_t next = 0;
  return brackets(words, array.shape(), 0, next);
}

std::string numpy_shape_text(const Shape& shape) {
  return fmt::format("({}{})", fmt::join(shape.begin(), shape.end(), ", "), shape.size() == 1 ? "," : "");
}

}  // namespace unroll::seeds
