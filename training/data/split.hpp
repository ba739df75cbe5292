// Splits: which samples are learnt from, which choose the best epoch, which are scored.
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

// Positions of samples, each part in ascending order; every sample is in one part.
struct Split {
  std::vector<Index> train, valid, test;
  bool operator==(const Split&) const = default;
};

// The shares of validation and test; training gets the rest.
struct SplitFractions {
  double valid = 0.15, test = 0.15;
};

// All of them throw ArgumentError for shares below 0 or of 1 together, and when a part that has a share (or
// training) would be empty. Sizes are shares times n, rounded to the nearest, half up.

// At random: the same seed gives the same split.
Split split_random(Index n, const SplitFractions& shares, std::uint64_t seed);
// In order, oldest first: train, valid, test. For series, whose future must not be learnt from.
Split split_in_order(Index n, const SplitFractions& shares);

// A UTF-8 text in three parts, in order, cut between characters (Unicode code points).
struct TextSplit {
  std::string train, valid, test;
  bool operator==(const TextSplit&) const = default;
};
// Shares of its characters, with sizes and errors as above; throws ArgumentError for a text that is not
// UTF-8.
TextSplit split_text(std::string_view text, const SplitFractions& shares);

// At random within every class, so that each part has the classes' proportions.
Split split_stratified(std::span<const std::int64_t> labels, const SplitFractions& shares,
                       std::uint64_t seed);
// The same with every class ordered by keys (content_hash of the samples, say) instead: in every run alike,
// and a sample that is added moves few others.
Split split_stratified(std::span<const std::int64_t> labels, const SplitFractions& shares,
                       std::span<const std::uint64_t> keys);
// The rows of every value of a column, ordered by a hash of all their fields. Throws FileError for a column
// that is not there.
Split split_stratified(const Table& table, std::string_view column, const SplitFractions& shares);
// Every sample by its own hash alone: equal samples are in one part, and adding or removing some moves no
// other. The shares hold on average.
Split split_by_hash(std::span<const std::uint64_t> hashes, const SplitFractions& shares);

// By a column that says "train", "valid" or "test". Throws FileError naming the line of any other word.
Split split_by_column(const Table& table, std::string_view column = "split");
// The rows of every value of a column, for columns with other words. Throws FileError for a column that is
// not there.
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

extern template Tensor<float> select_rows<float>(const Tensor<float>&, std::span<const Index>);
extern template Tensor<double> select_rows<double>(const Tensor<double>&, std::span<const Index>);
extern template IndexTensor select_rows<std::int64_t>(const IndexTensor&, std::span<const Index>);

}  // namespace unroll
