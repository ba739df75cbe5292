#include "examples/next_value/series.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "framework/errors.hpp"
#include "training/data/table.hpp"

namespace unroll::examples::next_value {
namespace {

constexpr std::size_t kFewestRows = 20;
constexpr std::size_t kMonths = 12;

// A series whose parts are not named yet, and its blocks of rows with the same split, in order.
struct Blocks {
  Series series;
  std::vector<Part> parts;
  const Part& part(const std::string& name) const {
    for (const Part& p : parts) {
      if (p.name == name) return p;
    }
    throw FileError(fmt::format("{}: column split want rows called '{}', got none", series.source, name));
  }
};

// The year of the first row.
std::size_t first_year(const Table& table, std::size_t year) {
  const TableRow& row = table.rows().front();
  const double value = table.number(row, year);
  if (!(value >= 1.0 && value <= 9999.0 && value == std::floor(value))) {
    table.fail(row, fmt::format("column 'year' want 1..9999, got '{}'", row.fields[year]));
  }
  return static_cast<std::size_t>(value);
}

// Reads a shipped kind of table: split, year, perhaps month, value; steps without a gap.
Blocks read_blocks(const std::string& path, const std::string& value_name, bool monthly) {
  const Table table = read_table(path);
  const std::size_t split = table.column("split"), year = table.column("year"),
                    value = table.column(value_name);
  const std::size_t month = monthly ? table.column("month") : 0;

  Blocks blocks;
  Series& series = blocks.series;
  series.source = path;
  series.steps_per_year = monthly ? kMonths : 1;
  series.first_year = first_year(table, year);
  for (const TableRow& row : table.rows()) {
    const std::size_t step = series.size();
    const std::size_t want_year = series.first_year + step / series.steps_per_year;
    const std::size_t want_month = step % series.steps_per_year + 1;
    if (table.number(row, year) != static_cast<double>(want_year) ||
        (monthly && table.number(row, month) != static_cast<double>(want_month))) {
      table.fail(row, fmt::format("want {} (steps follow one another), got year {}{}", series.label(step),
                                  row.fields[year], monthly ? " month " + row.fields[month] : ""));
    }
    const std::string& name = row.fields[split];
    if (blocks.parts.empty() || blocks.parts.back().name != name) blocks.parts.push_back({name, step, step});
    ++blocks.parts.back().last;
    series.values.push_back(table.number(row, value));
  }
  return blocks;
}

}  // namespace

double Series::time(std::size_t i) const noexcept {
  if (first_year == 0) return static_cast<double>(i + 1);
  return static_cast<double>(first_year) + static_cast<double>(i) / static_cast<double>(steps_per_year);
}

std::string Series::label(std::size_t i) const {
  if (first_year == 0) return std::to_string(i + 1);
  const std::size_t year = first_year + i / steps_per_year;
  if (steps_per_year == 1) return std::to_string(year);
  return fmt::format("{}-{:02}", year, i % steps_per_year + 1);
}

std::string Series::label(const Part& part) const {
  return fmt::format("{} to {}", label(part.first), label(part.last - 1));
}

Series toy_series() {
  Series series;
  series.name = "1 2 3 4";
  series.source = "toy";
  series.values = {1.0, 2.0, 3.0, 4.0};
  series.train = {"train", 0, 4};
  series.tests = {{"train", 1, 4}};
  return series;
}

Series load_sunspots(const std::string& path) {
  const Blocks blocks = read_blocks(path, "sunspots", false);
  Series series = blocks.series;
  series.name = "Yearly sunspot number";
  series.train = {"train", blocks.part("train").first, blocks.part("valid").last};
  for (const char* name : {"test", "test2", "test3"}) series.tests.push_back(blocks.part(name));
  return series;
}

Series load_elnino(const std::string& path) {
  const Blocks blocks = read_blocks(path, "sst", true);
  Series series = blocks.series;
  series.name = "Sea surface temperature, degrees C";
  series.period = kMonths;
  series.train = blocks.part("train");
  series.valid = blocks.part("valid");
  series.tests = {blocks.part("test")};
  return series;
}

Series load_column(const std::string& path, const std::string& column, const SeriesOptions& options) {
  const Table table = read_table(path);
  const std::size_t index = table.column(column);
  Series series;
  series.name = column;
  series.source = path;
  series.period = options.period;
  for (const TableRow& row : table.rows()) series.values.push_back(table.number(row, index));
  const std::size_t rows = series.size();
  if (rows < kFewestRows) {
    throw FileError(fmt::format("{}: want at least {} rows of data, got {}", path, kFewestRows, rows));
  }

  const auto share = [&](double fraction) {
    return static_cast<std::size_t>(fraction * static_cast<double>(rows));
  };
  const std::size_t train = share(options.train), valid = share(options.train + options.valid);
  if (!(train >= kFewestRows / 2 && valid >= train && valid < rows)) {
    throw ArgumentError(
        fmt::format("{}: want at least {} rows to train on and one to test on, got {} and {} of {} (see "
                    "--train and --valid)",
                    path, kFewestRows / 2, train, rows - std::min(rows, valid), rows));
  }
  series.train = {"train", 0, train};
  series.valid = {"valid", train, valid};
  series.tests = {{"test", valid, rows}};
  return series;
}

}  // namespace unroll::examples::next_value
