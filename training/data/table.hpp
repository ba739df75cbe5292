// A strict reader for tables in delimiter-separated files (CSV, TSV), with errors that name file, line and
// column.
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

// A row by itself, as tables are made of them.
struct TableRow {
  std::size_t line;  // in the file, from 1; where the row begins
  std::vector<std::string> fields;
  std::string file = {};  // where the row is not from the table's own file
};

// What every field of a column is; an integer is a number, too, and everything is a text.
enum class ColumnType { integer, number, text };

// What numbers() and matrix() make of what is no finite number.
enum class Missing {
  refuse,
  nan  // of an empty field and of pandas' words for it ("NA", "nan", "NULL", ..) NaN, of "inf" infinity
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

// A table with named columns; every row has as many fields. It does not change, and copies share its text.
// One that was moved from has no path, columns and rows, and everything that needs some throws ArgumentError.
class Table {
 public:
  // Of rows that are no file's; path is what errors name. Throws ArgumentError for a row of another length
  // than the header.
  Table(std::string path, std::vector<std::string> header, const std::vector<TableRow>& rows);

  const std::string& path() const& noexcept;
  std::string path() && { return path(); }
  const std::vector<std::string>& header() const& noexcept;
  std::vector<std::string> header() && { return header(); }
  std::size_t size() const noexcept;  // rows

  // Position of the column of this name; find gives nothing where column throws FileError listing what there
  // is.
  std::size_t column(std::string_view name) const;
  std::optional<std::size_t> find(std::string_view name) const noexcept;

  // A field, and a whole row. Throw ShapeError for a row or column that is not there, as all that take them.
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
  // The narrowest type that every field of the column has, with Missing::nan every field that is not missing.
  // Throws FileError for a column that is not there.
  ColumnType type(std::string_view name) const;

  // The table without these columns. Throws FileError for one that is not there, and when none is left.
  Table without(std::span<const std::string> names) const;

  // "path:line", for messages about a row; the path is that of the row's file.
  std::string where(std::size_t row) const;
  // Throws FileError "path:line: message", for what only the caller can judge.
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

// Reads all .csv and .tsv files of a folder, in the order of their names, as one table with a further column
// in front that says where a row is from: the file's name without its end ("words/en.tsv": "en"). Throws
// FileError as above, for a folder that cannot be read or has no such file, and for a header that is not the
// first file's or has the further column already.
Table read_tables(const std::string& folder, const std::string& column, const TableOptions& options = {});

// Writes a table, with tabs into a file that ends in .tsv, else with commas; fields are quoted where they
// must be, so that read_table reads the same. The file appears under its name when it is complete. Throws
// FileError when it cannot be written, ArgumentError for a table without columns.
void write_table(const std::string& path, const Table& table);

extern template Tensor<float> Table::matrix<float>(const std::vector<std::string>&) const;
extern template Tensor<double> Table::matrix<double>(const std::vector<std::string>&) const;

}  // namespace unroll
