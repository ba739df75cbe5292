#include "examples/support/tables.hpp"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>

#include "framework/quoted.hpp"

namespace unroll::examples {

void add_table_options(CLI::App& app, GivenTable& given) {
  constexpr const char* kGroup = "Your own table";
  const auto is_character = [](const std::string& text) {
    return text.size() == 1 || text == "tab" ? std::string()
                                             : "want one character or tab, got " + quoted(text);
  };
  app.add_option_function<std::string>(
         "--delimiter",
         [&given](const std::string& text) { given.delimiter = text == "tab" ? '\t' : text[0]; },
         "what separates columns (default: tab or comma)")
      ->check(is_character)
      ->type_name("CHAR")
      ->group(kGroup);
  app.add_option_function<std::string>(
         "--decimal", [&given](const std::string& text) { given.decimal = text[0]; },
         "the decimal point (default .)")
      ->check([](const std::string& text) {
        return text == "." || text == "," ? std::string() : "want . or , but got " + quoted(text);
      })
      ->type_name("CHAR")
      ->group(kGroup);
  app.add_flag_function(
         "--header,!--no-header", [&given](std::int64_t count) { given.header = count > 0; },
         "the first line has names, or has none: they are 0, 1, ...")
      ->group(kGroup);
  app.add_option("--ignore", given.ignore, "columns that are left out")->type_name("NAME")->group(kGroup);
}

Table read_given(const std::string& path, const GivenTable& given) {
  return read_table(path, given).without(given.ignore);
}

std::optional<std::string> row_counter(const Table& table) {
  constexpr std::size_t kFewest = 10;
  if (table.size() < kFewest) return std::nullopt;
  const std::string_view first = table.field(0, 0);
  if (first != "0" && first != "1") return std::nullopt;
  const std::size_t start = first == "0" ? 0 : 1;
  for (std::size_t n = 1; n < table.size(); ++n) {
    if (table.field(n, 0) != std::to_string(start + n)) return std::nullopt;
  }
  return table.header()[0];
}

void print_note(const char* program, const std::string& text) {
  fmt::print(stderr, "{}: note: {}\n", program, text);
}

}  // namespace unroll::examples
