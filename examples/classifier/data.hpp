// From files to data sets: the shipped words and digits, the user's own table, and rows to be classified.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "training/data/labels.hpp"
#include "training/data/sequences.hpp"
#include "training/data/standardizer.hpp"
#include "training/data/vocabulary.hpp"
#include "training/models/metadata.hpp"

namespace unroll::examples::classifier {

struct Row {
  std::string where;  // file:line
  std::string text;   // one of the two is empty
  std::vector<double> numbers;
  std::string label;
};

// What was learned from the rows about their form; it travels in the model file.
struct Encoding {
  std::optional<Labels> labels;
  std::optional<Vocabulary> letters;         // of texts
  std::optional<Standardizer<float>> scale;  // of numbers
  Index steps = 0, features = 0;             // of numbers: a row is steps * features of them

  // Throws FileError "where: label want ..".
  std::int64_t label(const Row& row) const;
  // Throws FileError for an empty text, a letter that is not known, and another number of numbers.
  void add(SequenceDataset<float>& data, const Row& row, std::int64_t label) const;

  void write(Metadata& metadata) const;
  // Throws FileError naming file and key.
  static Encoding read(const Metadata& metadata);
};

struct Data {
  Encoding encoding;
  SequenceDataset<float> train, valid, test;  // test may be empty
};

// All of them throw FileError naming file and line. A folder of LABEL.tsv files with the columns split and
// ascii: a word's class is the name of its file.
Data load_words(const std::string& folder);
// A table with split, label and 8 x 8 pixels of 0..16, read row by row.
Data load_digits(const std::string& path);
// The user's table; steps: of a row of numbers, none: every number is one.
Data load_own(const std::string& path, std::optional<Index> steps);

// Rows to be classified: the same table; label and split may be absent.
std::vector<Row> load_queries(const std::string& path, const Encoding& encoding);
// An item of the command line or of standard input: a text, or numbers separated by commas, tabs or spaces.
Row parse_query(const std::string& item, const std::string& where, const Encoding& encoding);

}  // namespace unroll::examples::classifier
