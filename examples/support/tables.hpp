// Reads a user's table as the command line says.
#pragma once

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

// Returns the table without the ignored columns. Throws like read_table and Table::without.
Table read_given(const std::string& path, const GivenTable& given);

// Columns of a table of 10 rows or more that only identify its rows.
struct RowNumbers {
  // Certain: a first column that counts from 0 or 1; different integers, in any order, under a name that
  // pandas or R gives an index (none, "Unnamed: 0", "rownames"), and the different texts of R's rows.
  std::vector<std::string> sure;
  // Likely: integers that rise from row to row, under any other name.
  std::vector<std::string> likely;
};
RowNumbers row_numbers(const Table& table);

// Prints one line "PROGRAM: note: text" on standard error.
void print_note(const char* program, const std::string& text);

}  // namespace unroll::examples
