// Rows of a data file before anything is encoded.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <vector>

#include "examples/support/table.hpp"

namespace unroll::examples::classifier {

inline constexpr std::size_t kTrain = 0, kValid = 1, kTest = 2, kUnassigned = 3;
inline constexpr std::array<const char*, 3> kSplits = {"train", "valid", "test"};

struct RawRow {
  std::string where;  // file:line
  std::size_t split = kUnassigned;
  std::string label;
  std::string text;
  std::vector<double> numbers;
};

// The columns of a table by what they hold.
struct Columns {
  std::optional<std::size_t> split, label, text;
  std::vector<std::size_t> numbers;
};

// By name: split, label, text; without text all others are numbers.
Columns find_columns(const Table& table);

// Throws FileError naming the line for another split, an empty label, no finite number.
std::vector<RawRow> read_rows(const Table& table, const Columns& columns);

// 70 : 15 : 15 within every label, ordered by a hash of the content: equal rows stay together, mostly, and a
// row that is added moves few others.
void assign_splits(std::vector<RawRow>& rows);

// Numbers separated by commas, tabs or spaces. Throws FileError "where: row want ...".
std::vector<double> parse_numbers(const std::string& text, const std::string& where);

}  // namespace unroll::examples::classifier
