#include "examples/support/tables.hpp"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdint>
#include <cstdio>
#include <string_view>
#include <unordered_set>

#include "framework/number_text.hpp"
#include "framework/quoted.hpp"

namespace unroll::examples {
namespace {

// Properties that all fields of a column share.
struct Numbering {
  bool whole = true, texts = true;  // all numbers, or no number at all
  bool rises = true;                // from row to row
  bool counts = true;               // 0 1 2 .. or 1 2 3 ..
  bool different = true;
};

Numbering numbering_of(const Table& table, std::size_t column) {
  Numbering all;
  std::unordered_set<std::string_view> fields;
  std::int64_t first = 0, last = 0;
  for (std::size_t n = 0; n < table.size() && (all.whole || all.texts) && all.different; ++n) {
    const std::string_view field = table.field(n, column);
    all.different = fields.insert(field).second;
    std::int64_t value = 0;
    std::string_view rest = field;
    const bool number = unroll::detail::read_number(rest, value) == std::errc();
    all.whole = all.whole && number && rest.empty();
    all.texts = all.texts && rest.size() == field.size();
    all.rises = all.rises && (n == 0 || value > last);
    if (n == 0) first = value;
    all.counts = all.counts && (first == 0 || first == 1) &&
                 field == std::to_string(first + static_cast<std::int64_t>(n));
    last = value;
  }
  all.rises = all.rises && all.whole && all.different;
  all.counts = all.counts && all.whole && all.different;
  return all;
}

bool is_row_name(std::string_view name) { return name == "rownames" || name == "row.names"; }

bool is_index_name(std::string_view name) {
  constexpr std::string_view kUnnamed = "Unnamed: ";
  return name.empty() || is_row_name(name) ||
         (name.starts_with(kUnnamed) && name.size() > kUnnamed.size() &&
          name.find_first_not_of("0123456789._", kUnnamed.size()) == name.npos);
}

}  // namespace

void add_table_options(CLI::App& app, GivenTable& given) {
  constexpr const char* kGroup = "Your own table";
  const auto is_character = [](const std::string& text) {
    return text.size() == 1 || text == "tab" ? std::string()
                                             : "expected one character or tab, got " + quoted(text);
  };
  app.add_option_function<std::string>(
         "--delimiter",
         [&given](const std::string& text) { given.delimiter = text == "tab" ? '\t' : text[0]; },
         "column separator (default: tab or comma)")
      ->check(is_character)
      ->type_name("CHAR")
      ->group(kGroup);
  app.add_option_function<std::string>(
         "--decimal", [&given](const std::string& text) { given.decimal = text[0]; },
         "the decimal point (default .)")
      ->check([](const std::string& text) {
        return text == "." || text == "," ? std::string() : "expected '.' or ',', got " + quoted(text);
      })
      ->type_name("CHAR")
      ->group(kGroup);
  app.add_flag_function(
         "--header,!--no-header", [&given](std::int64_t count) { given.header = count > 0; },
         "the first line has column names, or not: they are 0, 1, ...")
      ->group(kGroup);
  app.add_option("--ignore", given.ignore, "columns to leave out")->type_name("NAME")->group(kGroup);
}

Table read_given(const std::string& path, const GivenTable& given) {
  return read_table(path, given).without(given.ignore);
}

RowNumbers row_numbers(const Table& table) {
  constexpr std::size_t kFewest = 10;
  RowNumbers found;
  if (table.size() < kFewest) return found;
  for (std::size_t c = 0; c < table.header().size(); ++c) {
    const std::string& name = table.header()[c];
    const Numbering numbering = numbering_of(table, c);
    const bool counts = c == 0 && numbering.counts;
    const bool index = is_index_name(name) && numbering.different;
    if (counts || (index && (numbering.whole || (is_row_name(name) && numbering.texts)))) {
      found.sure.push_back(name);
    } else if (numbering.whole && numbering.rises) {
      found.likely.push_back(name);
    }
  }
  return found;
}

void print_note(const char* program, const std::string& text) {
  fmt::print(stderr, "{}: note: {}\n", program, text);
}

}  // namespace unroll::examples
