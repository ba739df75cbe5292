// The data sets: the shipped words and digits, and the user's own file.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "examples/classifier/batches.hpp"

namespace unroll::examples::classifier {

struct Dataset {
  Encoding encoding;
  std::vector<Sample> train, valid, test;  // test may be empty
};

// A folder of LABEL.tsv files with the columns split and ascii: a word's class is the name of its file.
Dataset load_words(const std::string& folder);

// A table with split, label and 8 x 8 pixels of 0..16, read row by row.
Dataset load_digits(const std::string& path);

// The user's table, tab or comma separated with a header: a column `label`, then either a column `text`
// (a sequence of letters) or only columns of numbers, in order (a sequence of `steps` rows; absent: one
// number a step). A column `split` says train, valid or test; without it the rows of every label are ordered
// by a hash of their content and cut 70 : 15 : 15, the same way in every run. Numbers are standardised by the
// training rows. Throws FileError naming file and line.
Dataset load_own(const std::string& path, std::optional<Index> steps);

// Rows to be classified: the same table; label and split may be absent.
struct Query {
  std::string name;  // how the output calls it: the text, or "line N"
  Sequence sequence;
  std::optional<Index> label;
};
std::vector<Query> load_queries(const std::string& path, const Encoding& encoding);

// One item as given on the command line or standard input: a text, or a row of numbers.
Query parse_query(const std::string& item, const std::string& where, const Encoding& encoding);

}  // namespace unroll::examples::classifier
