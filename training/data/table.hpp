// Table: a strict reader of delimiter-separated files (CSV, TSV), whose errors name file, line and column.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "framework/tensor.hpp"

namespace unroll {

namespace detail {
struct TableStore;
}

// A row, for making a table.
struct TableRow {
  std::size_t line;  // in the file, from 1; where the row begins
  std::vector<std::string> fields;
  std::string file = {};  // if the row is not from the table's own file
};

// The narrowest type of a column's fields: an integer is also a number, and everything is a text.
enum class ColumnType { integer, number, text };

// What numbers() and matrix() do with missing and infinite values.
enum class Missing {
  refuse,
  nan  // an empty field and pandas' words ("NA", "nan", "NULL", ..) become NaN, "inf" infinity
};

// How a file is read.
struct TableOptions {
  std::optional<char> delimiter =
      {};  // none: a tab if the header holds one outside of quotes, else a comma; with a decimal
           //   comma a semicolon
  std::optional<bool> header = {};  // whether the first line names the columns; none: it does, and must not
                                    //   read like a row of values
  std::vector<std::string> names = {};  // of the columns, without a header; none: "0", "1", ...
  char decimal = '.';                   // the point of numbers
  Missing missing = Missing::refuse;
};

// An immutable table with named columns; copies share its text. A moved-from table is empty, and functions
// that need a column or row throw ArgumentError.
class Table {
 public:
  // A table that was not read from a file; errors name `path`. Throws ArgumentError for a row whose length
  // differs from the header's.
  Table(std::string path, std::vector<std::string> header, const std::vector<TableRow>& rows);

  const std::string& path() const& noexcept;
  std::string path() && { return path(); }
  const std::vector<std::string>& header() const& noexcept;
  std::vector<std::string> header() && { return header(); }
  std::size_t size() const noexcept;  // rows

  // The position of a column. For a missing one column throws FileError listing the names; find returns
  // nothing.
  std::size_t column(std::string_view name) const;
  std::optional<std::size_t> find(std::string_view name) const noexcept;

  // A field, and a whole row. Like all functions with a position, they throw ShapeError if it is out of
  // range.
  std::string_view field(std::size_t row, std::size_t column) const&;
  std::string field(std::size_t row, std::size_t column) && { return std::string(field(row, column)); }
  TableRow row(std::size_t n) const;

  // A field as a finite number in C notation ("-1.5e-3"), or as a whole number ("-12") of 64 bits. Throws
  // FileError "path:line: column 'x': expected a finite number, got 'n/a'" for anything else, spaces too, and
  // for a whole number that is no double. Missing::nan makes number() take what is missing.
  double number(std::size_t row, std::size_t column) const;
  std::int64_t integer(std::size_t row, std::size_t column) const;

  // A whole column by its name; throws FileError as column, number and integer do, and for a text that is not
  // UTF-8.
  std::vector<double> numbers(std::string_view name) const;
  std::vector<std::int64_t> integers(std::string_view name) const;
  std::vector<std::string> texts(std::string_view name) const;
  // Columns side by side: (rows, names), each number rounded to the nearest S. Throws as above, and for a
  // number too large for S.
  template <class S>
  Tensor<S> matrix(const std::vector<std::string>& names) const;
  // The narrowest type of all fields, or with Missing::nan of those that are not missing. Throws FileError
  // for a missing column.
  ColumnType type(std::string_view name) const;

  // The table without these columns. Throws FileError for a missing one, and if none is left.
  Table without(std::span<const std::string> names) const;

  // "path:line" of a row, for messages.
  std::string where(std::size_t row) const;
  // Throws FileError "path:line: message", for checks of the caller.
  [[noreturn]] void fail(std::size_t row, std::string_view message) const;

 private:
  friend Table read_table(const std::string& path, const TableOptions& options);
  friend Table read_tables(const std::string& folder, const std::string& column, const TableOptions& options);
  struct Content;
  Table(std::string path, std::vector<std::string> header, detail::TableStore store,
        const TableOptions& options);
  const Content& content(const char* function) const;
  void require(std::size_t row, std::size_t column) const;
  // Nothing for what is no number.
  std::optional<double> parsed(std::string_view field) const;
  [[noreturn]] void fail_number(std::size_t row, std::size_t column) const;

  std::shared_ptr<const Content> content_;
};

// Reads a file of lines "a,b,c", the first one the header. A field may be quoted ("a ""b"", c") and then hold
// anything; a line ends in "\n" or "\r\n"; lines of nothing or of spaces alone are skipped, and so is a UTF-8
// byte order mark. Throws FileError for a file that is missing, empty or of another kind (gzip, UTF-16,
// Excel, HTML, ..: the message says which), that has no rows, two columns of one name, names that are not
// UTF-8 or read like a row of values, a row of another length than the header, or misplaced quotes;
// ArgumentError for options that do not go together.
Table read_table(const std::string& path, const TableOptions& options = {});

// Reads all .csv and .tsv files of a folder, sorted by name, as one table with an additional first column:
// the name of the row's file without its ending ("words/en.tsv": "en"). Throws FileError as above, for a
// folder that cannot be read or has no such files, and for a header that differs from the first file's or
// already has the additional column.
Table read_tables(const std::string& folder, const std::string& column, const TableOptions& options = {});

// Writes a table that read_table reads back, with tabs if the name ends in .tsv, else with commas, quoting
// fields where necessary. Replaces an old file atomically. Throws FileError when it cannot be written,
// ArgumentError for a table without columns.
void write_table(const std::string& path, const Table& table);

}  // namespace unroll
