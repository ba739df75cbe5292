#include "training/data/split.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <new>
#include <numeric>
#include <stdexcept>
#include <utility>

#include "framework/errors.hpp"
#include "framework/quoted.hpp"
#include "framework/random.hpp"
#include "training/data/content_hash.hpp"
#include "training/data/table.hpp"
#include "training/data/text.hpp"

namespace unroll {
namespace {

void check(const char* function, const SplitFractions& shares) {
  if (!(shares.valid >= 0.0 && shares.test >= 0.0 && shares.valid + shares.test < 1.0)) {
    throw ArgumentError(
        fmt::format("[{}] shares: expected valid and test >= 0 and below 1 together, got {} and {}", function,
                    shares.valid, shares.test));
  }
}

// Sorts the parts and sees that none is missing.
Split finished(const char* function, Split split, const SplitFractions& shares) {
  const auto check_part = [&](const char* name, double share, std::vector<Index>& part) {
    if (share > 0.0 && part.empty()) {
      throw ArgumentError(
          fmt::format("[{}] {}: expected at least one sample for a share of {:.3g}, got none of {}", function,
                      name, share, split.train.size() + split.valid.size() + split.test.size()));
    }
    std::sort(part.begin(), part.end());
  };
  check_part("train", 1.0 - shares.valid - shares.test, split.train);
  check_part("valid", shares.valid, split.valid);
  check_part("test", shares.test, split.test);
  return split;
}

// 0 .. n-1, in an order that f gives; none for n below 0.
template <class F>
std::vector<Index> ordered(const char* function, Index n, F&& f) {
  try {
    return n > 0 ? f() : std::vector<Index>();
  } catch (const std::bad_alloc&) {
  } catch (const std::length_error&) {
  } catch (const MemoryError&) {
  }
  throw ArgumentError(fmt::format("[{}] n: expected as many as memory can hold, got {}", function, n));
}

// Puts samples that are in some order into the parts: train first, test last.
void deal(const std::vector<Index>& order, const SplitFractions& shares, Split& split) {
  const auto n = static_cast<double>(order.size());
  const auto part = [&](double share) { return static_cast<std::size_t>(std::floor(share * n + 0.5)); };
  const std::size_t test = std::min(part(shares.test), order.size());
  const std::size_t valid = std::min(part(shares.valid), order.size() - test);
  for (std::size_t i = 0; i < order.size(); ++i) {
    const std::size_t behind = order.size() - i;
    (behind <= test ? split.test : behind <= test + valid ? split.valid : split.train).push_back(order[i]);
  }
}

}  // namespace

Split split_random(Index n, const SplitFractions& shares, std::uint64_t seed) {
  check("split_random", shares);
  Split split;
  deal(ordered("split_random", n, [&] { return Rng(seed).permutation(n); }), shares, split);
  return finished("split_random", std::move(split), shares);
}

Split split_in_order(Index n, const SplitFractions& shares) {
  check("split_in_order", shares);
  const auto order = ordered("split_in_order", n, [&] {
    std::vector<Index> all(static_cast<std::size_t>(n));
    std::iota(all.begin(), all.end(), Index{0});
    return all;
  });
  Split split;
  deal(order, shares, split);
  return finished("split_in_order", std::move(split), shares);
}

TextSplit split_text(std::string_view text, const SplitFractions& shares) {
  const auto all = characters(text);
  const Split split = split_in_order(static_cast<Index>(all.size()), shares);
  const auto bytes = [&](const std::vector<Index>& part) {
    std::size_t sum = 0;
    for (const Index i : part) sum += all[static_cast<std::size_t>(i)].size();
    return sum;
  };
  const std::size_t train = bytes(split.train), valid = bytes(split.valid);
  return {std::string(text.substr(0, train)), std::string(text.substr(train, valid)),
          std::string(text.substr(train + valid))};
}

Split split_stratified(std::span<const std::int64_t> labels, const SplitFractions& shares,
                       std::span<const std::uint64_t> keys) {
  check("split_stratified", shares);
  if (keys.size() != labels.size()) {
    throw ArgumentError(fmt::format("[split_stratified] keys: expected {} entries (one per label), got {}",
                                    labels.size(), keys.size()));
  }
  std::map<std::int64_t, std::vector<Index>> classes;
  for (std::size_t i = 0; i < labels.size(); ++i) classes[labels[i]].push_back(static_cast<Index>(i));
  Split split;
  for (auto& [label, order] : classes) {
    std::stable_sort(order.begin(), order.end(), [&](Index a, Index b) {
      return keys[static_cast<std::size_t>(a)] < keys[static_cast<std::size_t>(b)];
    });
    deal(order, shares, split);
  }
  return finished("split_stratified", std::move(split), shares);
}

Split split_stratified(std::span<const std::int64_t> labels, const SplitFractions& shares,
                       std::uint64_t seed) {
  Rng rng(seed);
  std::vector<std::uint64_t> keys(labels.size());
  for (std::uint64_t& key : keys) key = rng.next();
  return split_stratified(labels, shares, keys);
}

Split split_stratified(const Table& table, std::string_view column, const SplitFractions& shares) {
  const std::size_t at = table.column(column);
  std::map<std::string, std::int64_t> classes;
  std::vector<std::int64_t> labels;
  std::vector<std::uint64_t> keys;
  for (std::size_t n = 0; n < table.size(); ++n) {
    const auto next = static_cast<std::int64_t>(classes.size());
    labels.push_back(classes.emplace(table.field(n, at), next).first->second);
    std::uint64_t& key = keys.emplace_back(0);
    for (std::size_t c = 0; c < table.header().size(); ++c) key = content_hash(table.field(n, c), key);
  }
  return split_stratified(labels, shares, keys);
}

Split split_by_hash(std::span<const std::uint64_t> hashes, const SplitFractions& shares) {
  check("split_by_hash", shares);
  Split split;
  for (std::size_t i = 0; i < hashes.size(); ++i) {
    const double u = static_cast<double>(hashes[i] >> 11) * 0x1p-53;  // uniform on [0, 1)
    (u < shares.test                  ? split.test
     : u < shares.test + shares.valid ? split.valid
                                      : split.train)
        .push_back(static_cast<Index>(i));
  }
  return finished("split_by_hash", std::move(split), shares);
}

Split split_by_column(const Table& table, std::string_view column) {
  const std::size_t at = table.column(column);
  Split split;
  for (std::size_t i = 0; i < table.size(); ++i) {
    const std::string_view word = table.field(i, at);
    if (word != "train" && word != "valid" && word != "test")
      table.fail(
          i, fmt::format("column {}: expected train, valid or test, got {}", quoted(column), quoted(word)));
    (word == "train"   ? split.train
     : word == "valid" ? split.valid
                       : split.test)
        .push_back(static_cast<Index>(i));
  }
  return split;
}

std::map<std::string, std::vector<Index>> rows_by_value(const Table& table, std::string_view column) {
  const std::size_t at = table.column(column);
  std::map<std::string, std::vector<Index>> rows;
  for (std::size_t i = 0; i < table.size(); ++i)
    rows[std::string(table.field(i, at))].push_back(static_cast<Index>(i));
  return rows;
}

void detail::check_rows(std::size_t n, std::span<const Index> rows) {
  for (const Index row : rows) {
    if (row < 0 || static_cast<std::size_t>(row) >= n)
      throw ShapeError(fmt::format("[select_rows] rows: expected positions in [0, {}), got {}", n, row));
  }
}

template <class T>
Tensor<T> select_rows(const Tensor<T>& x, std::span<const Index> rows) {
  if (x.dimension() == 0) throw ShapeError("[select_rows] x: expected at least one axis, got a scalar");
  detail::check_rows(x.shape()[0], rows);
  Shape shape = x.shape();
  const std::size_t width = x.size() / std::max<std::size_t>(shape[0], 1);
  shape[0] = rows.size();
  Tensor<T> result(shape);
  for (std::size_t i = 0; i < rows.size(); ++i)
    std::copy_n(x.data() + static_cast<std::size_t>(rows[i]) * width, width, result.data() + i * width);
  return result;
}

template Tensor<float> select_rows<float>(const Tensor<float>&, std::span<const Index>);
template Tensor<double> select_rows<double>(const Tensor<double>&, std::span<const Index>);
template IndexTensor select_rows<std::int64_t>(const IndexTensor&, std::span<const Index>);

}  // namespace unroll
