// Tables and all that is made of them: encoders, data sets and batches, series and their windows; and back.
#include <span>
#include <string>
#include <vector>

#include "tests/fuzz/fuzz.hpp"
#include "training/data/batches.hpp"
#include "training/data/split.hpp"
#include "training/data/table.hpp"
#include "training/data/table_encoder.hpp"
#include "training/forecasting/series.hpp"
#include "training/forecasting/series_encoder.hpp"

namespace unroll::fuzz {
namespace {

constexpr std::size_t kMostColumns = 6;  // one alike the other

std::vector<std::string> some_columns(const Table& table) {
  std::vector<std::string> names;
  for (const std::string& name : table.header()) {
    if (names.size() < kMostColumns) names.push_back(name);
  }
  return names;
}

void check_columns(const Table& table, Missing missing) {
  const auto names = some_columns(table);
  for (const std::string& name : names) {
    require(table.find(name) == table.column(name), "a column is found by its name");
    const auto numbers = attempt([&] { return table.numbers(name); });
    const auto whole = attempt([&] { return table.integers(name); });
    attempt([&] { return table.texts(name); });
    const ColumnType type = must("a column has a type", [&] { return table.type(name); });
    if (missing == Missing::refuse) {
      require((type == ColumnType::integer) == whole.has_value(),
              "a column of whole numbers is read as such");
    }
    if (type == ColumnType::text) require(!numbers, "a column of texts has no numbers");
    attempt([&] { return rows_by_value(table, name); });
    attempt([&] { return split_stratified(table, name, SplitFractions{}); });
    attempt([&] { return split_by_column(table, name); });
  }
  attempt([&] { return table.matrix<float>(names); });
  attempt([&] { return table.matrix<double>(names); });
  attempt([&] { return table.numbers("no such column"); });
}

template <class S>
void check_batches(const SequenceDataset<S>& data) {
  if (data.empty()) return;
  const auto batches = attempt([&] { return Batches<S>(data, {.batch_size = 3, .bucket_batches = 2}); });
  if (!batches) return;
  for (std::size_t i = 0; i < batches->size(); ++i) {
    must("every batch is there", [&] { return batches->batch(i); });
  }
}

template <class S>
void check_encoder(const Table& table, const TableColumns<S>& columns) {
  const auto encoded = attempt([&] { return encode_table(table, columns); });
  if (!encoded) return;
  require(!to_string(*encoded).empty(), "an encoded table has words");
  check_batches(encoded->train);
  check_batches(encoded->valid);
  const std::string json = must("an encoder is written", [&] { return encoded->encoder.to_json(); });
  const auto again = must("an encoder is read", [&] { return TableEncoder<S>::from_json(json); });
  require(again.to_json() == json, "an encoder written and read is the same");
  if (const auto all = attempt([&] { return again.encode(table); })) {
    require(all->size() == table.size(), "every row is a sample");
  }
  attempt([&] { return again.name(table, table.size() - 1); });
}

void check_series(const Table& table) {
  for (const std::string& name : some_columns(table)) {
    const auto series = attempt([&] { return read_series(table, name); });
    if (!series) continue;
    Index next = 0;
    std::size_t most = 16;  // parts with an encoder; one alike the other
    for (const SeriesPart& part : series->parts) {
      require(part.first == next && part.last > part.first, "the parts of a series follow one another");
      next = part.last;
      series->label(part);
      if (most == 0) continue;
      --most;
      const auto encoder = attempt([&] { return SeriesEncoder<float>(*series, part, 12); });
      if (!encoder) continue;
      must("a series is encoded", [&] { return encoder->encode(*series, part.first, part.last); });
      const std::string json = must("an encoder is written", [&] { return encoder->to_json(); });
      const auto again = must("an encoder is read", [&] { return SeriesEncoder<float>::from_json(json); });
      require(again.to_json() == json, "an encoder written and read is the same");
    }
    require(next == series->size(), "the parts of a series are all of it");
    series->time.label(series->size() + 3);
    series->time.place(series->size() + 3);
  }
  if (const auto matrix = attempt([&] { return table.matrix<float>(some_columns(table)); })) {
    attempt([&] { return windows(*matrix, {.length = 2, .horizon = 1}); });
  }
}

bool same(const Table& a, const Table& b) {
  if (a.header() != b.header() || a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (a.row(i).fields != b.row(i).fields) return false;
  }
  return true;
}

void check_back(const Table& table, char delimiter) {
  const std::string path = file(delimiter == '\t' ? "copy.tsv" : "copy.csv");
  must("a table that was read is written", [&] { write_table(path, table); });
  const auto again = must("a table that was written is read",
                          [&] { return read_table(path, {.delimiter = delimiter, .header = true}); });
  require(same(again, table), "a table written and read is the same");
}

void check_table(const Table& table, Missing missing) {
  check_columns(table, missing);
  check_encoder<float>(table, {});
  const std::string &first = table.header().front(), &last = table.header().back();
  check_encoder<double>(table, {.label = last, .text = first});
  check_encoder<double>(table, {.label = first, .steps = 2});
  check_series(table);
  attempt([&] { return table.without(std::span(&first, 1)); });
  attempt([&] { return table.row(table.size()); });
  check_back(table, ',');
  check_back(table, '\t');
}

}  // namespace

void one_input(std::string_view input) {
  const std::string path = file("in.csv", input);
  for (const TableOptions& options : {TableOptions{}, TableOptions{.header = false, .missing = Missing::nan},
                                      TableOptions{.delimiter = ';', .header = true, .decimal = ','},
                                      TableOptions{.delimiter = ' ', .names = {"a", "b"}},
                                      TableOptions{.delimiter = '\t', .header = true}}) {
    const auto table = attempt([&] { return read_table(path, options); });
    if (table) check_table(*table, options.missing);
  }
}

}  // namespace unroll::fuzz
