// A user's table: how it is read, by the command line.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "training/data/table.hpp"

namespace CLI {
class App;
}

namespace unroll::examples {

struct GivenTable : TableOptions {
  std::vector<std::string> ignore;
};

// Adds --delimiter, --decimal, --header, --no-header and --ignore to app.
void add_table_options(CLI::App& app, GivenTable& given);

// The table without its columns that are to be ignored. Throws as read_table and Table::without.
Table read_given(const std::string& path, const GivenTable& given);

// The name of the first column where it only counts the rows, from 0 or 1, as pandas and R write it; none of
// fewer than 10 rows.
std::optional<std::string> row_counter(const Table& table);

// One line "PROGRAM: note: text" on standard error.
void print_note(const char* program, const std::string& text);

}  // namespace unroll::examples
