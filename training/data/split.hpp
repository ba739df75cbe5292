// Splits of samples into training, validation and test.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "framework/tensor.hpp"

namespace unroll {

class Table;

// Positions of samples, ascending in each part; every sample is in one part.
struct Split {
  std::vector<Index> train, valid, test;
  bool operator==(const Split&) const = default;
};

// The fractions of validation and test; training gets the rest.
struct SplitFractions {
  double valid = 0.15, test = 0.15;
};

// All throw ArgumentError for fractions below 0 or of 1 together, and if training or a part with a fraction
// above 0 would be empty. Sizes are fraction times n, rounded half up.

// Random; the same seed gives the same split.
Split split_random(Index n, const SplitFractions& shares, std::uint64_t seed);
// In order: train, valid, test. For series, whose future must not leak into training.
Split split_in_order(Index n, const SplitFractions& shares);

// A UTF-8 text in three parts, in order, cut between characters (Unicode code points).
struct TextSplit {
  std::string train, valid, test;
  bool operator==(const TextSplit&) const = default;
};
// Fractions of its characters, with sizes and errors as above; throws ArgumentError unless it is UTF-8.
TextSplit split_text(std::string_view text, const SplitFractions& shares);

// Random within every class, so that each part has the classes' proportions.
Split split_stratified(std::span<const std::int64_t> labels, const SplitFractions& shares,
                       std::uint64_t seed);
// The same with each class ordered by keys, for example content_hash of the samples: the same in every run,
// and a new sample moves few others.
Split split_stratified(std::span<const std::int64_t> labels, const SplitFractions& shares,
                       std::span<const std::uint64_t> keys);
// The rows of a table, stratified by a column and ordered by a hash of all their fields. Throws FileError for
// a missing column.
Split split_stratified(const Table& table, std::string_view column, const SplitFractions& shares);
// Each sample by its own hash alone: equal samples are in one part, and adding or removing samples moves no
// others. The fractions hold on average.
Split split_by_hash(std::span<const std::uint64_t> hashes, const SplitFractions& shares);

// By a column of "train", "valid" and "test". Throws FileError naming the line of any other word.
Split split_by_column(const Table& table, std::string_view column = "split");
// The rows of every value of a column, for other words. Throws FileError for a missing column.
std::map<std::string, std::vector<Index>> rows_by_value(const Table& table, std::string_view column);

// The rows of x (N,...) at these positions, in this order. Throws ShapeError for a position outside 0..N-1.
template <class T>
Tensor<T> select_rows(const Tensor<T>& x, std::span<const Index> rows);
// The same of a list.
template <class T>
std::vector<T> select_rows(const std::vector<T>& list, std::span<const Index> rows);

namespace detail {
void check_rows(std::size_t n, std::span<const Index> rows);
}  // namespace detail

template <class T>
std::vector<T> select_rows(const std::vector<T>& list, std::span<const Index> rows) {
  detail::check_rows(list.size(), rows);
  std::vector<T> result;
  result.reserve(rows.size());
  for (const Index row : rows) result.push_back(list[static_cast<std::size_t>(row)]);
  return result;
}

}  // namespace unroll
