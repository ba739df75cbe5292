#include "examples/classifier/rows.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <map>
#include <utility>

#include "examples/classifier/encoding.hpp"
#include "framework/errors.hpp"

namespace unroll::examples::classifier {
namespace {

std::size_t parse_split(const std::string& text, const std::string& where) {
  const auto found = std::find(kSplits.begin(), kSplits.end(), text);
  if (found == kSplits.end()) {
    throw FileError(fmt::format("{}: split want train, valid or test, got '{}'", where, text));
  }
  return static_cast<std::size_t>(found - kSplits.begin());
}

// FNV-1a: the same on every machine.
std::uint64_t hash_of(const RawRow& row) {
  std::uint64_t hash = 0xcbf29ce484222325ULL;
  const auto add = [&](const void* data, std::size_t bytes) {
    for (std::size_t i = 0; i < bytes; ++i) {
      hash = (hash ^ static_cast<const unsigned char*>(data)[i]) * 0x100000001b3ULL;
    }
  };
  add(row.text.data(), row.text.size());
  add(row.numbers.data(), row.numbers.size() * sizeof(double));
  return hash;
}

RawRow read_row(const Table& table, const TableRow& fields, const Columns& columns) {
  RawRow row;
  row.where = table.where(fields);
  if (columns.split) row.split = parse_split(fields.fields[*columns.split], row.where);
  if (columns.label) {
    row.label = fields.fields[*columns.label];
    if (row.label.empty()) table.fail(fields, "label want a text, got none");
    characters(row.label, row.where);
  }
  if (columns.text) row.text = fields.fields[*columns.text];
  for (const std::size_t c : columns.numbers) row.numbers.push_back(table.number(fields, c));
  return row;
}

}  // namespace

Columns find_columns(const Table& table) {
  Columns columns;
  columns.split = table.find("split");
  columns.label = table.find("label");
  columns.text = table.find("text");
  if (columns.text) return columns;
  for (std::size_t c = 0; c < table.header().size(); ++c) {
    if (c != columns.split && c != columns.label) columns.numbers.push_back(c);
  }
  return columns;
}

std::vector<RawRow> read_rows(const Table& table, const Columns& columns) {
  std::vector<RawRow> rows;
  for (const TableRow& fields : table.rows()) rows.push_back(read_row(table, fields, columns));
  return rows;
}

void assign_splits(std::vector<RawRow>& rows) {
  std::map<std::string, std::vector<std::pair<std::uint64_t, std::size_t>>> by_label;
  for (std::size_t i = 0; i < rows.size(); ++i) by_label[rows[i].label].emplace_back(hash_of(rows[i]), i);
  for (auto& [label, list] : by_label) {
    std::sort(list.begin(), list.end());
    const std::size_t held_out = (list.size() * 15 + 50) / 100, valid_end = list.size() - held_out;
    for (std::size_t k = 0; k < list.size(); ++k) {
      const bool train = k < valid_end - held_out;
      rows[list[k].second].split = train ? kTrain : k < valid_end ? kValid : kTest;
    }
  }
}

std::vector<double> parse_numbers(const std::string& text, const std::string& where) {
  constexpr const char* kSeparators = ", \t";
  std::vector<double> numbers;
  for (std::size_t at = text.find_first_not_of(kSeparators); at != std::string::npos;) {
    const std::size_t end = std::min(text.find_first_of(kSeparators, at), text.size());
    double value = 0.0;
    const auto [stop, error] = std::from_chars(text.data() + at, text.data() + end, value);
    if (error != std::errc() || stop != text.data() + end || !std::isfinite(value)) {
      throw FileError(fmt::format("{}: row want finite numbers, got '{}'", where, text.substr(at, end - at)));
    }
    numbers.push_back(value);
    at = text.find_first_not_of(kSeparators, end);
  }
  return numbers;
}

}  // namespace unroll::examples::classifier
