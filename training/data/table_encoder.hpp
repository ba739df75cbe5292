// TableEncoder: encodes rows of a table as labelled sequences, and later rows in the same way.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "training/data/labels.hpp"
#include "training/data/sequences.hpp"
#include "training/data/split.hpp"
#include "training/data/standardizer.hpp"
#include "training/data/table.hpp"
#include "training/data/vocabulary.hpp"

namespace unroll {

// The roles of a table's columns.
template <class S>
struct TableColumns {
  std::string label = "label";  // the class, any text
  std::string split = "split";  // train, valid or test; without it: split_stratified
  SplitFractions shares = {};   //   with these fractions
  std::string text = {};        // the sequence, character by character; "": numbers
  std::vector<std::string> numbers =
      {};           // the sequence, in this order; none: all columns but label and split
  Index steps = 0;  // that a row's numbers are; 0: every number is one
  std::optional<Standardizer<S>> standardizer =
      {};  // of the numbers of a step; none: fitted to training rows
};

// Encodes a row as the ids of a text's characters, or as T steps of I standardised numbers, with its class if
// the table has labels. Fit it on a table and save it in the model's file. Functions that need columns throw
// ArgumentError for a moved-from object.
template <class S>
class TableEncoder {
 public:
  // Labels and standardizer come from the training rows, characters from all rows. Throws FileError naming
  // file and line, or the file if the training rows have fewer than two classes; ArgumentError for steps or a
  // standardizer that do not match the columns.
  static TableEncoder fit(const Table& table, std::span<const Index> train, const TableColumns<S>& columns);

  const Labels& labels() const& noexcept { return labels_; }
  Labels labels() && { return std::move(labels_); }
  bool reads_text() const noexcept { return !columns_.empty() && vocabulary_.has_value(); }
  // The vocabulary of texts; standardizer, steps and features of numbers. The other kind has none, or 0.
  const std::optional<Vocabulary>& vocabulary() const& noexcept { return vocabulary_; }
  std::optional<Vocabulary> vocabulary() && { return std::move(vocabulary_); }
  const std::optional<Standardizer<S>>& standardizer() const& noexcept { return standardizer_; }
  std::optional<Standardizer<S>> standardizer() && { return std::move(standardizer_); }
  Index steps() const noexcept { return columns_.empty() ? 0 : steps_; }        // T
  Index features() const noexcept { return columns_.empty() ? 0 : features_; }  // I
  // "texts of 26 characters", "8 steps of 8 numbers"
  std::string form() const;

  // Whether the table has a column of labels.
  bool labelled(const Table& table) const noexcept { return table.find(label_).has_value(); }
  // A name for the n-th row: its text, or "file:line" for numbers. Throws ShapeError for a row out of range.
  std::string name(const Table& table, std::size_t n) const;
  // The rows as a data set, with their classes if the table is labelled. Throws FileError naming file and
  // line for an unknown or missing label, a missing text, an unknown character and what is no finite number
  // of S.
  SequenceDataset<S> encode(const Table& table, std::span<const Index> rows) const;
  SequenceDataset<S> encode(const Table& table) const;
  // An unlabelled table from rows that are not in a file, for example user input: texts, or numbers separated
  // by commas, tabs or spaces. Errors name `source` as the file: FileError "source:2: expected 4 numbers ..".
  Table as_table(const std::vector<std::string>& rows, const std::string& source) const;

  // As JSON, for the metadata of a model file. from_json throws ArgumentError for anything else.
  std::string to_json() const;
  static TableEncoder from_json(std::string_view json);

 private:
  explicit TableEncoder(Labels labels) : labels_(std::move(labels)) {}
  void check() const;
  std::int64_t label_of(const Table& table, std::size_t row) const;

  std::string label_;
  Labels labels_;
  std::vector<std::string> columns_;  // the one of the texts, or those of the numbers
  std::optional<Vocabulary> vocabulary_;
  std::optional<Standardizer<S>> standardizer_;
  Index steps_ = 0, features_ = 0;
};

// A table's parts as data sets, with their encoder.
template <class S>
struct EncodedTable {
  TableEncoder<S> encoder;
  SequenceDataset<S> train, valid, test;  // test may be empty
};

// Splits the table, fits an encoder to its training rows and encodes all rows. Throws as these do, and
// FileError without training or validation rows.
template <class S>
EncodedTable<S> encode_table(const Table& table, const TableColumns<S>& columns = {});

// "72 train, 24 valid, 24 test rows of texts of 4 characters; 2 classes: ab, cd"
template <class S>
std::string to_string(const EncodedTable<S>& table);

extern template class TableEncoder<float>;
extern template class TableEncoder<double>;

}  // namespace unroll
