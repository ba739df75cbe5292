// From what a file or a user gives (text, a row of numbers) to what the model reads, and back to labels.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "examples/support/model_file.hpp"
#include "framework/tensor.hpp"

namespace unroll::examples::classifier {

// One sequence: letters of a text, or steps * features numbers row by row; one of the two is empty.
struct Sequence {
  std::vector<Index> letters;
  std::vector<float> values;
};

// Everything that was learned from the training rows about their form; it travels in the model file.
struct Encoding {
  std::vector<std::string> labels;      // of class 0, 1, ...
  std::vector<std::string> vocabulary;  // text: letter 0, 1, ...; numbers: empty
  Index steps = 0, features = 0;        // numbers: a row is steps * features values
  std::vector<double> mean, scale;      // numbers: feature f goes in as (x - mean[f]) / scale[f]

  bool is_text() const noexcept { return !vocabulary.empty(); }
  // Position of a label. Throws FileError "where: label want ..., got ...".
  Index label_id(const std::string& label, const std::string& where) const;
  // The letters' positions. Throws FileError for an empty text, a letter that is not in the vocabulary, no
  // UTF-8.
  Sequence encode_text(std::string_view text, const std::string& where) const;
  // The numbers, normalised. Throws FileError unless there are steps * features of them.
  Sequence encode_numbers(const std::vector<double>& numbers, const std::string& where) const;

  void write(Settings& settings) const;
  // Throws FileError for settings that contradict each other.
  static Encoding read(const Settings& settings);
};

// The characters of a UTF-8 text. Throws FileError "where: text want UTF-8 ..." for anything else.
std::vector<std::string> characters(std::string_view text, const std::string& where);

// "a b c ... z", cut to what fits a line.
std::string shorten_list(const std::vector<std::string>& items, const char* separator);

}  // namespace unroll::examples::classifier
